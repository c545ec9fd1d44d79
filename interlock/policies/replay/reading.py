"""Reads the decisions of the past in groups, wherever their facts are: in plain columns, or sealed under keys."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from interlock.encryption.keys import KeyStore
from interlock.errors import InterlockError
from interlock.policies.replay.query import (
    AGGREGATES,
    History,
    groups_of_decision,
    kinds_in_history,
    sealed_rows,
)
from interlock.policies.replay.sealed_history import SEPARATOR, Group, SealedHistory
from interlock.policy.compiled import compile_policy
from interlock.policy.conditions.ast import columns_in
from interlock.policy.kinds import Kinds
from interlock.policy.kinds_clickhouse import key_of, kind_columns
from interlock.sinks.sealed_columns import COLUMNS

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client

# The group of all decisions.
ALL = ("", "")

# How Arrow and group_by take what is no plain value: a list as one text, an hour as a number.
_WRITTEN = {
    "forced": "arrayStringConcat({}, char(0))",
    "old_reasons": "arrayStringConcat({}, char(0))",
    "hour": "toUnixTimestamp({})",
}

_SEALED = """
SELECT (SELECT count() FROM routed_decisions WHERE NOT review_copy AND {condition})
    + (SELECT count() FROM shadow_decisions WHERE {condition})
"""


class SealedHistoryError(InterlockError):
    """A replay whose rules use what is sealed, by a process that has no keys."""


class Reader:
    """The decisions of `history` by the kind that the candidate makes of them.

    ClickHouse groups them where it can read what the candidate asks for; other rows are opened with `keys` and grouped
    here. Raises SealedHistoryError where there are such rows and `keys` is None.
    """

    def __init__(self, client: "Client", kinds: Kinds, history: History, keys: KeyStore | None) -> None:
        self._client = client
        self._kinds = kinds
        self._history = history
        self._sealed: SealedHistory | None = None
        hidden = _hidden(kinds)
        count = self._count_sealed() if hidden else 0
        if not count:
            return
        if keys is None:
            raise SealedHistoryError(
                f"{count:,} decisions of the range are sealed under keys of their subjects, the candidate's rules or "
                f"groups use {', '.join(sorted(hidden))}, and this process has no keys: set "
                "INTERLOCK_ENCRYPTION__MASTER_KEY or INTERLOCK_ENCRYPTION__MASTER_KEY_FILE"
            )
        self._sealed = SealedHistory(client, keys, compile_policy(kinds.policy))
        self._history = replace(history, rows="plain")

    @property
    def unreadable(self) -> int:
        """How many decisions the groups that were read last leave out, because their facts could not be opened."""
        return 0 if self._sealed is None else self._sealed.unreadable

    def groups(self, said: Mapping[str, str], *, of_groups: bool = False, judged: bool = False) -> Iterator[Group]:
        """`said`: what history says of a decision, SQL by name: texts, truth values, numbers; lists of texts and hours
        under the names of `_WRITTEN`. `of_groups`: once more for every group of the policy that a decision belongs to.
        `judged`: only what people judged, see `kinds_in_history`."""
        columns = {**said, "of_group": groups_of_decision(self._kinds.policy)} if of_groups else said
        width = len(kind_columns(self._kinds))
        query = kinds_in_history(self._kinds, self._history, columns, AGGREGATES, judged=judged)
        with self._client.query_rows_stream(query) as rows:
            for row in rows:
                values: Sequence[Any] = row[width : width + len(said)]
                group = tuple(row[width + len(said)]) if of_groups else ALL
                plain = tuple(map(_plain, said, values))
                yield Group(key_of(self._kinds, row[:width]), plain, (group[0], group[1]), *row[-len(AGGREGATES) :])
        if self._sealed is None:
            return
        history = replace(self._history, rows="sealed")
        asked = {name: _WRITTEN.get(name, "{}").format(sql) for name, sql in said.items()}
        query = sealed_rows(self._kinds, history, asked, judged=judged)
        for found in self._sealed.groups(query, list(said), of_groups=of_groups):
            yield found._replace(values=tuple(map(_read, said, found.values)))

    def _count_sealed(self) -> int:
        condition = replace(self._history, rows="sealed").condition
        ((count,),) = self._client.query(_SEALED.format(condition=condition)).result_rows
        return int(count)


def _read(name: str, value: Any) -> Any:
    if name == "hour":
        return datetime.fromtimestamp(value, UTC)
    if name in _WRITTEN:
        return tuple(value.split(SEPARATOR)) if value else ()
    return value


def _plain(name: str, value: Any) -> Any:
    if name == "hour":
        return value.replace(tzinfo=UTC)
    return tuple(value) if name in _WRITTEN else value


def _hidden(kinds: Kinds) -> set[str]:
    """What the candidate asks for that is not in plain columns of sealed rows."""
    groups = {group for domain in kinds.policy.domains.values() for group in domain.groups}
    used = groups.union(*(columns_in(condition) for condition, _ in kinds.conditions))
    return used & (kinds.policy.attribute_types().keys() | set(COLUMNS["routed_decisions"].facts))
