"""What to do about an error of Kafka. Only this module decides."""

from enum import IntEnum

from confluent_kafka import KafkaError


class RecoveryAction(IntEnum):
    """From the cheapest to the most expensive, which includes the cheaper ones."""

    REWIND = 1
    """Read again from the committed offsets."""
    ABORT = 2
    """Abort the transaction, then rewind."""
    RESTART = 3
    """Discard the producer and fence it with a new one: it is unknown how its transaction ended."""
    STOP = 4
    """No retry can help; an operator has to change something."""


# Rights, settings and records that are as they are at the next attempt too.
FATAL_CODES = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
        KafkaError.UNSUPPORTED_VERSION,
        KafkaError._UNSUPPORTED_FEATURE,
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.INVALID_SESSION_TIMEOUT,
        KafkaError.INCONSISTENT_GROUP_PROTOCOL,
        KafkaError.UNSUPPORTED_ASSIGNOR,
        KafkaError.POLICY_VIOLATION,
        KafkaError.INVALID_RECORD,
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        # A damaged record in the log: reading on would lose it silently.
        KafkaError._BAD_MSG,
        KafkaError._BAD_COMPRESSION,
        KafkaError.INVALID_MSG,
    }
)


def recovery_action(error: KafkaError) -> RecoveryAction:
    """The cheapest action that is certainly right for an error of a transactional producer.

    Only an error that says so itself leaves the transaction abortable. Every other outcome is unknown, above all that
    of a time-out: the request may be under way, and only a new epoch makes sure that it comes too late.
    """
    if error.code() in FATAL_CODES:
        return RecoveryAction.STOP
    if error.txn_requires_abort() and not error.fatal():
        return RecoveryAction.ABORT
    return RecoveryAction.RESTART
