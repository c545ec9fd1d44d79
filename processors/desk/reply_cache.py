"""The replies of a day: a command that comes again is not carried out again and gets its reply again."""

import hashlib
import json
from dataclasses import fields

from interlock.processors.desk.command import Command
from interlock.processors.desk.packed_records import PackedRecords
from interlock.processors.desk.refusal import CommandRefused, clock
from interlock.processors.records import Message
from interlock.schemas import wire
from interlock.schemas.headers import headers_of

# Tools repeat a command within seconds, and whoever comes back the next day looks first. Stripe keeps its idempotency
# keys as long. In microseconds; `reviews.replies`, from which a desk that takes over learns them, is kept for longer.
REMEMBERED_FOR = 24 * 3600 * 1_000_000

# A program that sends commands in a loop must not fill the desk's memory: at some 150 bytes each these are 300 MB, and
# people reach them with 23 commands a second around the clock. Beyond it the oldest are forgotten early.
MAX_REMEMBERED = 2_000_000

# The header of a reply that says which command it answers. A reply without it answers a command that reused an id.
DIGEST_HEADER = "interlock.command-digest"

# A repetition may be issued later; everything else makes it another command.
_DEFAULTS = {field.name: field.default for field in fields(Command) if field.name != "issued_at"}

# 16 bytes: nobody finds two commands with the same digest by chance, and few would gain by looking for them.
_DIGEST_BYTES = 16


def digest(command: Command) -> bytes:
    """What makes a command the same as another: who asks for what, with which words.

    Only what it says counts: a field that a later version of the desk adds, and that the command leaves at its default,
    changes nothing, so that a repetition is known across an upgrade.
    """
    # A list that is read empty says as little as the default, which is an empty tuple.
    values = ((name, getattr(command, name), default) for name, default in _DEFAULTS.items())
    said = {name: value for name, value, default in values if value not in (default, [])}
    text = json.dumps(said, sort_keys=True)
    return hashlib.sha256(text.encode()).digest()[:_DIGEST_BYTES]


class ReplyCache:
    """The replies of the commands of the last REMEMBERED_FOR, each with the digest of its command."""

    def __init__(self, limit: int = MAX_REMEMBERED) -> None:
        self._replies = PackedRecords()
        self._limit = limit

    def __len__(self) -> int:
        return len(self._replies)

    def find(self, command: Command) -> bytes | None:
        """The reply that the same command got before. Raises CommandRefused where another command has its id."""
        known = self._replies.get(command.command_id)
        if known is None:
            return None
        answered, reply = known[:_DIGEST_BYTES], known[_DIGEST_BYTES:]
        if answered != digest(command):
            raise CommandRefused(
                "command-id-used",
                f"{command.actor} cannot use the id {command.command_id!r} for {_named(command.kind, command.task_id)}"
                f": it belongs to {_command_of(reply)}. Nothing was done now. Send the command under an id of its own",
            )
        return reply

    def put(self, command_id: str, reply: bytes, answered: bytes, at: int) -> None:
        """Remembers the reply, given at `at`, to the command with the digest `answered`."""
        self._replies.put(command_id, answered + reply, at + REMEMBERED_FOR)
        if len(self._replies) > self._limit:
            for oldest in self._replies.oldest():
                self._replies.remove(oldest)

    def forget(self, now: int) -> None:
        """Forgets what was answered REMEMBERED_FOR ago."""
        for command_id in self._replies.due(now):
            self._replies.remove(command_id)

    def restore(self, record: Message) -> None:
        """Remembers a record of `reviews.replies`, unless it refuses an id that another command had."""
        value = record.value()
        answered = [header for name, header in headers_of(record) if name == DIGEST_HEADER and header is not None]
        if value is None or not answered:
            return
        try:
            reply = wire.decode_plain("CommandReply", value)
        except wire.WireError:
            # Not the desk's own: nobody was answered with it.
            return
        self.put(reply["command_id"], value, answered[-1], reply["at"])


def _command_of(reply: bytes) -> str:
    """The command that a reply answered, in words."""
    record = wire.decode_plain("CommandReply", reply)
    return f"{_named(record['kind'], record['task_id'])} of {record['actor']} at {clock(record['at'])}"


def _named(kind: str, task_id: str) -> str:
    return f"the command {kind} about {task_id}" if task_id else f"the command {kind}"
