"""One chain from its first row to its last: whether every link follows from the row and the link before it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from interlock.sinks.trail.links import NOT_LINKED, beginning, link

Problem = Literal["changed", "doubled", "unlinked", "beginning", "missing", "not as signed"]

_MEANINGS: dict[Problem, str] = {
    "changed": "the row was changed, or rows before it were removed, inserted or put into another order",
    "doubled": "a second row stands at the same offset",
    "unlinked": "the row has no link, although rows before it have one, or its link was signed",
    "beginning": "the chain does not begin with this row as it is, and no signed end shows that what stood before it "
    "was old enough to be removed",
    "missing": "its end was signed, and the row is not there",
    "not as signed": "its end was signed with another link: the rows up to here were replaced",
}


@dataclass(frozen=True, slots=True)
class Chain:
    """The rows of a partition, in the order of their offsets."""

    table: str
    stream: str
    topic: str
    partition: int

    @property
    def beginning(self) -> bytes:
        return beginning(self.stream, self.topic, self.partition)


@dataclass(frozen=True, slots=True)
class Head:
    """The last row of a chain at a time, as somebody signed it."""

    offset: int
    link: bytes
    signed_at: datetime


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain is broken. `expected`: the link that follows from the rows, or the one that was signed; `found`:
    the one that stands there, empty where no row does."""

    offset: int
    problem: Problem
    expected: bytes
    found: bytes

    @property
    def meaning(self) -> str:
        return _MEANINGS[self.problem]


@dataclass(slots=True)
class Walk:
    """Takes the rows of `chain` in the order of their offsets. `heads`: what was signed of it, in the same order.
    `previous`: the link before the first row, if it is not to be the chain's first; nothing before it is looked at.
    `expired`: rows that were stored before may have been removed, by the table's retention; None: none may.

    `begins_at`: the offset of the first row that has a link. `whole`: it is the chain's first; otherwise the rows
    before it have expired, and of this one only the link is known, not whether it follows. `signed`: the last head that
    the rows agree with. `behind`: rows behind it. `removed`: the last head before the first row, or the last of all
    where there are no rows.
    """

    chain: Chain
    heads: Sequence[Head] = ()
    previous: bytes | None = None
    expired: datetime | None = None
    rows: int = 0
    unlinked: int = 0
    begins_at: int | None = None
    whole: bool = False
    signed: Head | None = None
    behind: int = 0
    removed: Head | None = None
    broken: int = 0
    first_break: Break | None = None
    last_offset: int | None = None
    previous_given: bool = field(init=False)
    _next_head: int = field(default=0)

    def __post_init__(self) -> None:
        self.previous_given = self.previous is not None

    def take(self, offsets: Sequence[int], links: Sequence[bytes], leaves: Sequence[bytes]) -> None:
        """The next rows, with their stored links and the digests of what is stored."""
        for offset, stored, leaf in zip(offsets, links, leaves, strict=True):
            self._pass_heads(offset)
            self._row(offset, stored, leaf)

    def end(self) -> None:
        """No more rows come."""
        self._pass_heads(None)
        if not self.rows and self.removed is not None and not self._may_have_expired():
            self._break(Break(self.removed.offset, "missing", self.removed.link, b""))

    def _row(self, offset: int, stored: bytes, leaf: bytes) -> None:
        self.rows += 1
        self.behind += 1
        if offset == self.last_offset:
            self._break(Break(offset, "doubled", link(self.previous, leaf) if self.previous else b"", stored))
            return
        self.last_offset = offset
        if stored == NOT_LINKED and self.previous is None:
            self.unlinked += 1
            signed = self._head_at(offset)
            if signed is not None:
                self._break(Break(offset, "unlinked", signed.link, stored))
            return
        expected = link(self.previous or self.chain.beginning, leaf)
        if self.begins_at is None:
            self.begins_at = offset
            if self.previous is None:
                self.whole = stored == expected
                if not self.whole:
                    if self.unlinked or not self._may_have_expired():
                        self._break(Break(offset, "beginning", expected, stored))
                    expected = stored
        if stored == NOT_LINKED:
            self._break(Break(offset, "unlinked", expected, stored))
            return
        if stored != expected:
            self._break(Break(offset, "changed", expected, stored))
        self.previous = stored
        head = self._head_at(offset)
        if head is None:
            return
        if head.link == stored:
            self.signed, self.behind = head, 0
        else:
            self._break(Break(offset, "not as signed", head.link, stored))

    def _may_have_expired(self) -> bool:
        """Whether the row before the first one may be as old as that: it was stored after the last end that was signed
        before it, or else before the next one."""
        following = self.heads[self._next_head] if self._next_head < len(self.heads) else None
        known = self.removed or following
        return known is not None and self.expired is not None and known.signed_at <= self.expired

    def _head_at(self, offset: int) -> Head | None:
        if self._next_head < len(self.heads) and self.heads[self._next_head].offset == offset:
            self._next_head += 1
            return self.heads[self._next_head - 1]
        return None

    def _pass_heads(self, offset: int | None) -> None:
        """Every signed end before `offset` at which no row stood."""
        while self._next_head < len(self.heads) and (offset is None or self.heads[self._next_head].offset < offset):
            head = self.heads[self._next_head]
            self._next_head += 1
            if self.rows:
                self._break(Break(head.offset, "missing", head.link, b""))
            else:
                self.removed = head

    def _break(self, found: Break) -> None:
        self.broken += 1
        self.first_break = self.first_break or found


def in_order(heads: Iterable[Head]) -> list[Head]:
    """Heads by offset, each once: of two that say the same the earlier one."""
    found: dict[tuple[int, bytes], Head] = {}
    for head in sorted(heads, key=lambda head: (head.offset, head.signed_at)):
        found.setdefault((head.offset, head.link), head)
    return list(found.values())
