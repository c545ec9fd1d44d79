"""The console: pages on which people work, rendered on the server from the functions of the API."""
