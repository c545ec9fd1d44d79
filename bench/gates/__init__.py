"""Statistical acceptance tests in their full form."""
