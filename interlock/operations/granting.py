"""Puts access control lists in force."""

from collections.abc import Sequence

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # the package exports them without saying so
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from interlock.errors import InterlockError
from interlock.operations.acls import Acl

# A controller answers within tens of milliseconds, and is elected anew within seconds.
_TIMEOUT_SECONDS = 30.0

_OPERATIONS = {
    "Read": AclOperation.READ,
    "Write": AclOperation.WRITE,
    "Create": AclOperation.CREATE,
    "Alter": AclOperation.ALTER,
    "Describe": AclOperation.DESCRIBE,
    "DescribeConfigs": AclOperation.DESCRIBE_CONFIGS,
    "AlterConfigs": AclOperation.ALTER_CONFIGS,
}
_RESOURCES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
    "cluster": ResourceType.BROKER,
}

# Kafka's own words for these name its Java objects.
_REASONS = {
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "whoever grants needs Alter on the cluster, as a super user has it",
    KafkaError.SECURITY_DISABLED: "its brokers have no authorizer, so that everybody may do anything",
}


def grant(admin: AdminClient, acls: Sequence[Acl]) -> None:
    """Creates what does not exist yet. Raises InterlockError where Kafka refuses, for example without an authorizer."""
    futures = admin.create_acls([binding(acl) for acl in acls], request_timeout=_TIMEOUT_SECONDS)
    for created, future in futures.items():
        try:
            future.result()
        except KafkaException as error:
            reason = _REASONS.get(error.args[0].code(), error.args[0].str())
            raise InterlockError(f"Kafka does not take an ACL for {created.principal}: {reason}") from error


def binding(acl: Acl) -> AclBinding:
    """As Kafka's administration takes it."""
    pattern = ResourcePatternType.PREFIXED if acl.prefixed else ResourcePatternType.LITERAL
    return AclBinding(
        _RESOURCES[acl.resource],
        acl.name,
        pattern,
        acl.principal,
        "*",
        _OPERATIONS[acl.operation],
        AclPermissionType.ALLOW,
    )
