"""Notices on a stream: decisions that took effect and the desk's words in, texts to send out."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from interlock.encryption.fields import UnreadableError, sealed_like
from interlock.encryption.keys import KeyStore
from interlock.errors import InterlockError
from interlock.policy.notices.terms import Notice
from interlock.policy.notices.wording import UnwritableNoticeError
from interlock.processors.events import Event, alert
from interlock.processors.notices.due import Due, of_action, of_automatic
from interlock.processors.notices.finding import with_notices
from interlock.processors.notices.opening import opened, readable
from interlock.processors.notices.words import Words
from interlock.processors.notices.writing import PayloadLostError, notice_action
from interlock.processors.records import Message, OutputLists
from interlock.schemas import catalogue, wire
from interlock.schemas.sealed_text import key_ids

Routed = Mapping[str, Any]


class NoticesProcessor:
    """Writes every notice for which a policy has words; the others are the business of executors, as they ever were.

    A notice that only a person can write becomes an alert: it is never sent with a false reason, or with none.
    """

    def __init__(
        self, words: Words, fetch: Callable[[Due], Routed], keys: Callable[[], KeyStore | None] = lambda: None
    ) -> None:
        """`fetch`: the `RoutedDecision` that a notice is about; raises PayloadLostError where it is gone. `keys`: open
        what a producer encrypted, and seal the text of the notice in its turn."""
        self._words = words
        self._fetch = fetch
        self._keys = keys
        self.counts: Counter[str] = Counter()
        """Of the latest batch: `written` and `unwritable`."""

    def process(self, messages: Sequence[Message], now: int) -> OutputLists:
        """The texts and alerts of a batch; `now`, in microseconds, is the time of alerts."""
        outputs = OutputLists()
        self.counts = Counter()
        names = self._words.names
        for due, routed in self._due(messages) if names else ():
            if due.name not in names:
                continue
            event = self._written(due, routed, now)
            if event is not None and event.topic.schema is not None and event.record is not None:
                outputs.add(event.topic.name, event.key.encode(), wire.encode(event.topic.schema, event.record))
        return outputs

    def _due(self, messages: Sequence[Message]) -> Iterator[tuple[Due, Routed | None]]:
        automatic = [message for message in messages if message.topic() == catalogue.AUTO_APPROVED.name]
        for message in with_notices(automatic) if automatic else ():
            try:
                routed = wire.decode_plain("RoutedDecision", message.value())
            except wire.WireError:
                continue  # damaged behind its routing fields: a dead letter of the executors, which carry nothing out
            for due in of_automatic(routed, message):
                yield due, routed
        for message in messages:
            if message.topic() == catalogue.ACTIONS.name:
                try:
                    record = wire.decode_plain("Action", message.value())
                except wire.WireError:
                    continue  # a dead letter of the executors
                for due in of_action(record):
                    yield due, None

    def _written(self, due: Due, routed: Routed | None, now: int) -> Event | None:
        try:
            routed = self._fetch(due) if routed is None else routed
            found = self._words.find(due.domain, due.name, routed["policy_version"])
            if found is None:
                return None
            version, notice = found
            event = self._event(due, notice, version, routed)
        except (UnwritableNoticeError, PayloadLostError, UnreadableError) as error:
            self.counts["unwritable"] += 1
            return _must_be_written(due, error, now)
        self.counts["written"] += 1
        return event

    def _event(self, due: Due, notice: Notice, version: str, routed: Routed) -> Event:
        sent = routed["decision"]
        if not any(key_ids([sent, due.reason_text])):
            return notice_action(due, notice, version, routed)
        keys = self._keys()
        event = notice_action(readable(due, keys), notice, version, opened(routed, keys))
        assert event.record is not None
        text = sealed_like(event.record["text"], sent, keys)
        return replace(event, record={**event.record, "text": text, "reason_text": due.reason_text})


def _must_be_written(due: Due, error: InterlockError, now: int) -> Event:
    what = f"that {due.name} holds no longer" if due.withdrawn else f"the notice {due.name}"
    message = f"{due.decision_id} version {due.version}: a person must write {what}: {error}"
    return alert("notice_unwritable", due.action_id, "critical", (), message, now, task_id=due.decision_id)
