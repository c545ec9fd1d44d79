"""Errors that a user can cause, and the exit codes they end with."""

from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command line and of roles."""

    OK = 0
    FAILED = 1  # the answer is no: counts do not reconcile, a file is invalid
    USAGE = 2  # the command line itself is wrong
    NEEDS_A_PERSON = 3  # stopped on purpose; starting again without a change would stop again
    UNAVAILABLE = 4  # Kafka, ClickHouse or the instance cannot be reached


class UserError(Exception):
    """What happened, where, and what to do; printed as it is, without a traceback."""

    def __init__(self, message: str, code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.code = code
