"""The errors of Interlock, one family: `except InterlockError` catches whatever the library raises on purpose.

docs/errors.md draws the tree. A class stands in the module that raises it; here are those that more than one package
raises. The command line maps errors to exit codes (`interlock/platform/exit_codes.py`).
"""


class InterlockError(Exception):
    """What happened, where, and what to do; fit to be printed as it is, without a traceback."""


class UsageError(InterlockError):
    """An argument, an option or a setting is wrong: nothing was done."""


class OperatorRequiredError(InterlockError):
    """Stopped on purpose: starting again without a change would stop again."""


class KafkaAccessError(OperatorRequiredError):
    """Kafka does not let this principal in, or do what it needs: a password, a certificate or a right is wrong."""


class UnavailableError(InterlockError):
    """Kafka, ClickHouse, the desk or the local instance cannot be reached; later it may be."""
