"""Whether a role has the rights in Kafka that it needs, before it begins.

A topic that may not be read is silent otherwise, and one that may not be written to is noticed with the first record.
"""

from interlock.errors import KafkaAccessError
from interlock.operations.acls import Acl, acls, roles
from interlock.platform.settings import Settings
from interlock.streams.kafka import KafkaBroker

# So many missing rights are named; a role that has none at all needs dozens.
_NAMED = 5


def check_rights(broker: KafkaBroker, *, role: str, settings: Settings) -> None:
    """Raises KafkaAccessError with the rights to topics that `role` lacks, and KafkaException where Kafka does not
    answer. Groups and transactional ids are asked for by the role itself, with its first request."""
    if missing := missing_rights(broker, role, settings):
        named = ", ".join(f"{acl.operation} on topic {acl.name}" for acl in missing[:_NAMED])
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        raise KafkaAccessError(
            f"{broker.principal} lacks rights that {role} needs in Kafka: {named}{more}; "
            f"`interlock acls --role {role}` prints all"
        )


def missing_rights(broker: KafkaBroker, role: str, settings: Settings) -> list[Acl]:
    """The rights to topics of `role` that whoever asks does not have; what does not exist yet counts as allowed. Raises
    KafkaException."""
    (known,) = [one for one in roles(settings) if one.name == role]
    wanted = [acl for acl in acls(known, broker.principal) if acl.resource == "topic"]
    allowed = broker.allowed({acl.name for acl in wanted})
    return [acl for acl in wanted if acl.name in allowed and acl.operation not in allowed[acl.name]]
