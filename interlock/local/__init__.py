"""The embedded platform: starts, watches and stops the processes of one local instance."""
