"""The errors of Interlock, one family: `except InterlockError` catches whatever the library raises on purpose.

InterlockError                      what happened, where, and what to do
├── UsageError                      an argument, option or setting is wrong
├── OperatorRequiredError           stopped on purpose: a restart without a change would stop again
├── UnavailableError                Kafka, ClickHouse, the desk or the local instance does not answer
│   └── DeskUnavailableError        no desk replied in time; the command may still be carried out
├── DeliveryError                   Kafka did not take a decision
├── NotDecidedError                 no resolution in time
├── CommandRefusedError             the desk refused a command; `code` says why
├── WireError, RegistryError        schemas
├── PolicyError, ConditionError     policies
├── BrokerError, JarError           the embedded Kafka
├── UnrecoverableError, ProcessingError   the runner
└── SinkStoppedError, MigrationError, …   the sink

Each class stands where it is raised; this module holds those that more than one room raises. The command line maps
them to exit codes (`interlock/platform/exit_codes.py`).
"""


class InterlockError(Exception):
    """What happened, where, and what to do; fit to be printed as it is, without a traceback."""


class UsageError(InterlockError):
    """An argument, an option or a setting is wrong: nothing was done."""


class OperatorRequiredError(InterlockError):
    """Stopped on purpose: starting again without a change would stop again."""


class UnavailableError(InterlockError):
    """Kafka, ClickHouse, the desk or the local instance cannot be reached; later it may be."""
