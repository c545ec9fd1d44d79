"""What can go wrong with the embedded broker, in sentences a user can act on."""

from interlock.errors import InterlockError


class BrokerError(InterlockError):
    """The broker cannot run. The message says what happened, where, and what to do."""


class JarError(BrokerError):
    """A jar could not be obtained, or is not the one that was locked."""
