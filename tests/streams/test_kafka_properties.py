"""What users may set of Kafka's clients, and what they are told of what they may not."""

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from interlock import Client
from interlock.streams.kafka import PRODUCER, KafkaBroker
from interlock.streams.kafka_properties import PropertyError, checked, combined

NOWHERE = "127.0.0.1:1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("compression.type", "gzip"),
        ("compression.codec", "gzip"),
        ("linger.ms", "50"),
        ("queue.buffering.max.ms", "50"),
        ("batch.size", "16384"),
        ("retry.backoff.ms", "500"),
        ("reconnect.backoff.max.ms", "60000"),
        ("client.id", "shop"),
    ],
)
def test_a_property_of_the_user_wins_under_each_of_its_names(name: str, value: str) -> None:
    broker = KafkaBroker(NOWHERE, {name: value})
    config = combined(PRODUCER, broker._given)
    synonyms = {"compression.codec": "compression.type", "queue.buffering.max.ms": "linger.ms"}
    assert config[name] == value
    assert synonyms.get(name) not in config
    broker.producer("t")  # librdkafka takes them together


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("enable.idempotence", "false", "a retry writes a record twice"),
        ("isolation.level", "read_uncommitted", "aborted records must not be read"),
        ("transactional.id", "mine", "INTERLOCK_INSTANCE_ID"),
        ("group.id", "mine", "every role has its own group"),
        ("auto.offset.reset", "latest", "no decision is skipped"),
        ("enable.auto.commit", "true", "offsets are committed with"),
        ("acks", "1", "can only be all or -1: what is acknowledged must outlive a broker"),
        ("request.required.acks", "0", "must outlive a broker"),
        ("partitioner", "random", "records of one key must meet in one partition"),
        ("message.max.bytes", "9000000", "the topics take records of"),
        ("session.timeout.ms", "60000", "how soon a dead member is replaced"),
        ("message.timeout.ms", "5", "delivery_seconds="),
        ("metadata.broker.list", "other:9092", "INTERLOCK_KAFKA__BOOTSTRAP_SERVERS"),
        ("group.protocol", "classic", "INTERLOCK_KAFKA__GROUP_PROTOCOL"),
    ],
)
def test_what_the_guarantees_depend_on_is_refused_by_name_and_with_the_reason(
    name: str, value: str, reason: str
) -> None:
    with pytest.raises(PropertyError) as refused:
        Client(NOWHERE, properties={name: value})
    assert f"the Kafka property {name} " in str(refused.value)
    assert reason in str(refused.value)
    assert "INTERLOCK_KAFKA__PROPERTIES" in str(refused.value)


def test_what_holds_anyway_may_be_said() -> None:
    given = {"acks": "all", "enable.idempotence": "True", "isolation.level": "read_committed", "partitioner": "murmur2"}
    assert checked(given) == {}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sasl.usrname": "me"}, ['No such configuration property: "sasl.usrname"']),
        ({"compression.type": "zip"}, ['Invalid value "zip"', '"compression.type"']),
        ({"linger.ms": "soon"}, ['"linger.ms"']),
        ({"security.protocol": "TLS"}, ['Invalid value "TLS"', '"security.protocol"']),
        ({"security.protocol": "SSL", "ssl.ca.location": "/no/ca.pem"}, ["ssl.ca.location is /no/ca.pem"]),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}, ["sasl.username and sasl.password must be set"]),
        ({"security.protocol": "SASL_SSL", "sasl.mechanism": "GSSAPI"}, ["GSSAPI"]),
    ],
)
def test_a_typo_or_a_wrong_value_is_named_with_the_setting_before_anything_is_sent(
    given: dict[str, str], words: list[str]
) -> None:
    with pytest.raises(PropertyError) as told:
        Client(NOWHERE, properties=given)
    for word in [*words, "INTERLOCK_KAFKA__PROPERTIES"]:
        assert word in str(told.value)
    with pytest.raises(KafkaException):  # librdkafka's own word for it names neither
        AdminClient({"bootstrap.servers": NOWHERE, **given})
