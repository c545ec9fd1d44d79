"""What people wrote, put back into the timeline of a decision: the view tells codes and times, and words are sealed."""

from collections.abc import Iterable, Mapping
from typing import Any

from clickhouse_connect.driver.client import Client

from interlock.encryption.keys import KeyStore
from interlock.sinks.opening import opened
from interlock.sinks.sealed_columns import COLUMNS, OPENING

# Of each table that the view tells of, the columns with words, and what stands before them.
_WORDS = {
    "commands": {"modifications": " with ", "reason_text": ": ", "on_behalf_of": ", on behalf of "},
    "outcomes": {"modifications": " with ", "reason_text": ": "},
    "tasks": {"escalation_note": ", saying: "},
    "resolutions": {"reason_text": ": "},
    "actions": {"modifications": " with "},
    "alerts": {"message": ""},
    "command_replies": {"message": ": "},
    "dead_letters": {"message": ", "},
}

_PLACE = ("kafka_topic", "kafka_partition", "kafka_offset")

_Place = tuple[Any, ...]


def with_words(
    client: Client, keys: KeyStore | None, decision_id: str, rows: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of view `decision_timeline` for one decision, with the words in `detail` that `keys` open."""
    told = [dict(row) for row in rows]
    if keys is None or not told:
        return told
    words = _words(client, keys, decision_id)
    for row in told:
        said = words.get(tuple(row[name] for name in _PLACE), "")
        # What a task says stands in every later record of it.
        if not row["event"].startswith("task ") or row["event"] == "task escalated":
            row["detail"] += said
    return told


def _words(client: Client, keys: KeyStore, decision_id: str) -> dict[_Place, str]:
    words: dict[_Place, str] = {}
    for table, columns in _WORDS.items():
        name = COLUMNS[table].decision
        asked = ", ".join([*_PLACE, name, *columns, OPENING])
        query = f"SELECT {asked} FROM {table} WHERE {name} = {{id:String}} AND sealed != '' LIMIT 1000"
        found = client.query(query, parameters={"id": decision_id}).named_results()
        for row in opened(keys, table, found).rows:
            said = "".join(f"{before}{row[column]}" for column, before in columns.items() if row[column])
            words[tuple(row[place] for place in _PLACE)] = said
    return words
