"""The embedded platform: starts, watches and stops the processes of one local instance."""

# How long a starting process may neither serve nor write a line. Starts take seconds; on a machine that others keep
# busy they take minutes, and that is no failure.
START_TIMEOUT_SECONDS = 600.0
