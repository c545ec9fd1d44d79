"""The replies of the latest commands: a command that comes again is not carried out again and gets its reply again."""

import hashlib
import json
from collections import OrderedDict
from dataclasses import fields

from interlock.processors.desk.command import Command
from interlock.processors.desk.refusal import CommandRefused
from interlock.processors.records import Message
from interlock.schemas.headers import headers_of

# An hour's worth at thirty a second, some 30 MB. Tools repeat commands within seconds.
REPLY_CACHE_SIZE = 100_000

# The header of a reply that says which command it answers. A reply without it answers a command that reused an id.
DIGEST_HEADER = "interlock.command-digest"

# A repetition may be issued later; everything else makes it another command.
_NAMES = tuple(field.name for field in fields(Command) if field.name != "issued_at")

# 16 bytes: nobody finds two commands with the same digest by chance, and few would gain by looking for them.
_DIGEST_BYTES = 16


def digest(command: Command) -> bytes:
    """What makes a command the same as another: who asks for what, with which words."""
    text = json.dumps([getattr(command, name) for name in _NAMES])
    return hashlib.sha256(text.encode()).digest()[:_DIGEST_BYTES]


class ReplyCache:
    """The replies of the latest REPLY_CACHE_SIZE commands, each with the digest of its command."""

    def __init__(self) -> None:
        self._replies: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()

    def find(self, command: Command) -> bytes | None:
        """The reply that the same command got before. Raises CommandRefused where another command has its id."""
        known = self._replies.get(command.command_id)
        if known is None:
            return None
        reply, answered = known
        if answered != digest(command):
            raise CommandRefused(
                "command-id-used",
                f"the id {command.command_id!r} belongs to an earlier command of somebody, or of other content, which "
                "has its reply: nothing was done now. Send the command under an id of its own",
            )
        return reply

    def put(self, command_id: str, reply: bytes, answered: bytes) -> None:
        """Remembers the reply to the command with the digest `answered`."""
        self._replies[command_id] = reply, answered
        if len(self._replies) > REPLY_CACHE_SIZE:
            self._replies.popitem(last=False)

    def restore(self, record: Message) -> None:
        """Remembers a record of `reviews.replies`, unless it refuses an id that another command had."""
        value = record.value()
        answered = [header for name, header in headers_of(record) if name == DIGEST_HEADER and header is not None]
        if value is not None and answered:
            self.put((record.key() or b"").decode(errors="replace"), value, answered[-1])
