"""Why Kafka refuses, in words that name the property, the right, and whoever lacks it.

librdkafka tells a wrong password or certificate in events only, and requests then end with a time-out; a missing right
it tells without the name of the topic, the group or whoever asked.
"""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from confluent_kafka import KafkaError

log = logging.getLogger(__name__)

# librdkafka reports a broker that is down at every attempt to reach it, several times a second.
REPEAT_LOG_SECONDS = 60.0

# A client that cannot log in tries again several times a second: what was told so long ago is over.
_RECENT_SECONDS = 30.0

_NO_ANSWER = frozenset(
    {KafkaError._TIMED_OUT, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._MSG_TIMED_OUT}
)

RIGHTS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)

# What every message about a missing right ends with.
ADVICE = "`interlock acls` prints the rights that each role needs"


class Trouble(NamedTuple):
    """`certain`: a setting is wrong, so that waiting mends nothing."""

    text: str
    certain: bool


def principal(properties: Mapping[str, object]) -> str:
    """Who a client with these properties of librdkafka is to Kafka, as far as they tell."""
    protocol = str(properties.get("security.protocol", "")).upper()
    mechanism = str(properties.get("sasl.mechanism", properties.get("sasl.mechanisms", ""))).upper()
    if protocol.startswith("SASL_") and mechanism == "OAUTHBEARER":
        return f"the client {properties.get('sasl.oauthbearer.client.id', 'of sasl.oauthbearer')}"
    if protocol.startswith("SASL_"):
        return f"User:{properties.get('sasl.username', '')}"
    for name in ("ssl.certificate.location", "ssl.keystore.location"):
        if protocol == "SSL" and name in properties:
            return f"the principal of {name} {properties[name]}"
    if protocol == "SSL" and "ssl.certificate.pem" in properties:
        return "the principal of ssl.certificate.pem"
    return "User:ANONYMOUS"


def trouble(error: KafkaError, properties: Mapping[str, object]) -> Trouble | None:
    """What an event of librdkafka says of the settings of a client; None if it says nothing of them."""
    text, who = error.str(), principal(properties)
    if "mechanism handshake failed" in text:
        known = re.search(r"supported mechanisms: ([\w,-]+)", text)
        takes = f"the broker takes {known[1]}" if known else "the broker does not take it"
        named = properties.get("sasl.mechanism", properties.get("sasl.mechanisms", "GSSAPI"))
        return Trouble(f"sasl.mechanism is {named}, and {takes}", certain=True)
    if "Failed to acquire SASL OAUTHBEARER token" in text:
        reason = text.partition("token: ")[2]
        return Trouble(
            f"there is no token for {who} ({reason}): sasl.oauthbearer.client.id, .client.secret or "
            ".token.endpoint.url is wrong",
            certain=True,
        )
    if error.code() in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
        with_token = who.startswith("the client")
        what, wrong = ("token", "sasl.oauthbearer.*") if with_token else ("password", "sasl.username or sasl.password")
        return Trouble(
            f"wrong {what}: Kafka does not let {who} log in ({_reason(text)}). Correct {wrong}", certain=True
        )
    if "certificate verify failed" in text:
        return Trouble(
            "the certificate of the broker is not trusted (certificate verify failed): ssl.ca.location or ssl.ca.pem "
            f"must be the authority that signed it, and it must be for {_host(text)}, unless "
            "ssl.endpoint.identification.algorithm is none",
            certain=True,
        )
    if "alert" in text and "SSL" in text:
        alert = text.rpartition("routines::")[2].partition(": SSL alert")[0].partition(" (")[0]
        return Trouble(
            f"the broker refuses the certificate of this client ({alert}): ssl.certificate.location and "
            "ssl.key.location, or ssl.keystore.location, must be one that it trusts",
            certain=True,
        )
    if "PLAINTEXT broker listener" in text:
        named = str(properties.get("security.protocol")).upper()
        return Trouble(
            f"security.protocol is {named}, and the port does not speak TLS: is it one for "
            f"{named.replace('SSL', 'PLAINTEXT')}?",
            certain=False,
        )
    if error.code() == KafkaError._SSL:
        return Trouble(f"TLS fails: {_reason(text)}", certain=True)
    return None


class Troubles:
    """What goes wrong with the clients of one cluster: the events of librdkafka as one line of the log for each kind,
    and what errors mean in their light. For several threads."""

    def __init__(
        self, servers: str, properties: Mapping[str, object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._servers = servers
        self._properties = properties
        self._clock = clock
        self._lock = threading.Lock()
        self._logged_at: dict[object, float] = {}
        self._latest: tuple[float, Trouble] | None = None

    def __call__(self, error: KafkaError) -> None:
        """Takes an event."""
        found = trouble(error, self._properties)
        if found is not None:
            with self._lock:
                self._latest = (self._clock(), found)
        what = found.text if found is not None else f"{error.str()} ({error.name()})"
        self.tell(error.code(), f"{what}; the client goes on trying")

    def tell(self, kind: object, text: str) -> None:
        """Logs `text`, unless something of its kind was logged a moment ago."""
        with self._lock:
            now = self._clock()
            repeated = now - self._logged_at.get(kind, -REPEAT_LOG_SECONDS) < REPEAT_LOG_SECONDS
            if not repeated:
                self._logged_at[kind] = now
        log.log(logging.DEBUG if repeated else logging.WARNING, "Kafka at %s: %s", self._servers, text)

    def after_fork(self) -> None:
        """In a child: a thread of the parent may have held the lock."""
        self._lock = threading.Lock()

    def latest(self) -> Trouble | None:
        """What was wrong with the settings a moment ago."""
        with self._lock:
            if self._latest is None or self._clock() - self._latest[0] > _RECENT_SECONDS:
                return None
            return self._latest[1]

    def explained(self, error: KafkaError, operation: str, resource: str, name: str = "") -> KafkaError:
        """`error` with what it means: which right is missing for `operation` on `resource` (topic, group, …), or why
        Kafka does not answer. Otherwise as it is."""
        if error.code() in RIGHTS:
            if ADVICE in error.str():
                return error
            if error.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:
                # What a producer is told that may write to no topic at all.
                if "idempotence" in error.str():
                    operation, resource, name = "Write", "any topic", ""
                else:
                    resource, name = "the cluster", ""
            return _with_text(error, missing_right(principal(self._properties), operation, resource, name))
        known = self.latest() if error.code() in _NO_ANSWER else None
        return error if known is None else _with_text(error, known.text)


def missing_right(who: str, operation: str, resource: str, name: str = "") -> str:
    """The sentence about a right that `who` lacks."""
    return f"{who} has no right to {operation} on {' '.join(filter(None, (resource, name)))}; {ADVICE}"


def _with_text(error: KafkaError, text: str) -> KafkaError:
    return KafkaError(error.code(), text, error.fatal(), error.retriable(), error.txn_requires_abort())


def _reason(text: str) -> str:
    """Without the address before it and the state behind it."""
    return re.sub(r"^\S+?(/bootstrap|/\d+): (SASL authentication error: )?", "", re.sub(r" \(after .*?\)$", "", text))


def _host(text: str) -> str:
    found = re.match(r"\w+://(.*):\d+/", text)
    return found[1] if found else "the address of the broker"
