"""Exit codes of the command line and of services, and which error ends with which."""

from enum import IntEnum

from interlock.errors import OperatorRequiredError, UnavailableError, UsageError


class ExitCode(IntEnum):
    """What a supervisor or a script learns from the end of a process."""

    OK = 0
    FAILED = 1  # the answer is no: counts do not reconcile, a file is invalid
    USAGE = 2  # the command line itself is wrong
    OPERATOR_REQUIRED = 3  # stopped on purpose; starting again without a change would stop again
    UNAVAILABLE = 4  # Kafka, ClickHouse or the instance cannot be reached


def exit_code(error: BaseException) -> ExitCode:
    """The exit code of a process that ends with `error`."""
    match error:
        case UsageError():
            return ExitCode.USAGE
        case OperatorRequiredError():
            return ExitCode.OPERATOR_REQUIRED
        case UnavailableError():
            return ExitCode.UNAVAILABLE
        case _:
            return ExitCode.FAILED
