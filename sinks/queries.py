"""What the command line asks ClickHouse."""

import re
from collections.abc import Iterator, Sequence
from io import BufferedIOBase
from typing import Any, cast

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import StreamFailureError
from urllib3.exceptions import HTTPError

from interlock.encryption.keys import KeyStore
from interlock.errors import UsageError
from interlock.sinks.embedded_clickhouse.errors import INTO_OUTFILE_NOT_ALLOWED, ClickHouseError
from interlock.sinks.embedded_clickhouse.sql import parse
from interlock.sinks.timeline_words import with_words

# Of an answer that goes to a file.
_PIECE_BYTES = 1 << 20
# How a server ends an answer that fails behind its first rows: at most so much, with the reason between two marks.
_REASON_BYTES = 16 << 10
_REASON = re.compile(rb"__exception__\r\n\w+\r\n(?P<reason>.*)\n\d+ \w+\r\n__exception__\r\n\Z", re.DOTALL)

_RATES = """
SELECT
    countIf(NOT review_copy) / {seconds:UInt32} AS decisions,
    countIf(NOT review_copy AND route = 'auto') / {seconds:UInt32} AS auto,
    countIf(NOT review_copy AND route = 'async') / {seconds:UInt32} AS async,
    countIf(NOT review_copy AND route = 'sync') / {seconds:UInt32} AS sync,
    countIf(NOT review_copy AND route = 'manual') / {seconds:UInt32} AS manual
FROM routed_decisions
WHERE kafka_timestamp > now64(3) - toIntervalSecond({seconds:UInt32})
"""


def metrics(client: Client) -> dict[str, Any]:
    """The row of view `metrics`; `DESCRIBE metrics` says which population each number speaks of."""
    (row,) = client.query("SELECT * FROM metrics").named_results()
    return dict(row)


def recent_rates(client: Client, seconds: int = 10) -> dict[str, float]:
    """Decisions a second over the last `seconds`, all of them and by route; each decision once."""
    (row,) = client.query(_RATES, parameters={"seconds": seconds}).named_results()
    return dict(row)


def queues(client: Client) -> list[dict[str, Any]]:
    """How every queue stands, the one with most overdue tasks first; columns as view `queue_health` describes them."""
    query = "SELECT * FROM queue_health ORDER BY overdue DESC, queue"
    return [dict(row) for row in client.query(query).named_results()]


def reviewer_workload(client: Client) -> list[dict[str, Any]]:
    """What every reviewer does and has done; columns as view `reviewer_workload` describes them."""
    query = "SELECT * FROM reviewer_workload ORDER BY reviewer"
    return [dict(row) for row in client.query(query).named_results()]


def decision_timeline(client: Client, decision_id: str, keys: KeyStore | None = None) -> list[dict[str, Any]]:
    """What happened to a decision, in order, with the words that `keys` open; empty if ClickHouse does not know it."""
    # Kafka counts milliseconds: what it received at once seems to come before what was decided some microseconds ago.
    query = (
        "SELECT at, event, detail, kafka_topic, kafka_partition, kafka_offset FROM decision_timeline "
        "WHERE decision_id = {id:String} "
        "ORDER BY toStartOfMillisecond(at), step, at, kafka_topic, kafka_partition, kafka_offset"
    )
    return with_words(client, keys, decision_id, client.query(query, parameters={"id": decision_id}).named_results())


def format_of(query: str) -> str | None:
    """The FORMAT that the query itself names. Raises UsageError for what `select` and `stream` cannot ask."""
    try:
        statement = parse(query)
    except ClickHouseError as error:
        if error.code == INTO_OUTFILE_NOT_ALLOWED:
            raise UsageError(
                "INTO OUTFILE would write on the machine of ClickHouse: leave it out, end the query with a FORMAT, and "
                "redirect the answer to a file"
            ) from None
        raise UsageError("several statements at once: ask one at a time") from None
    if statement is None:
        raise UsageError("there is no query, only white space or comments")
    return statement.format


def stream(client: Client, query: str) -> Iterator[bytes]:
    """The answer in the FORMAT that the query names, in pieces. Raises ClickHouse's errors before the first piece, and
    StreamFailureError where the answer breaks off behind it."""
    answer = cast(BufferedIOBase, client.raw_stream(query))
    end = b""
    try:
        # What has come is handed on before the connection breaks: the reason stands at its end.
        while piece := answer.read1(_PIECE_BYTES):
            end = (end + piece)[-_REASON_BYTES:]
            yield piece
    except HTTPError as error:
        told = _REASON.search(end)
        reason = told["reason"].decode(errors="replace").strip() if told else str(error)
        raise StreamFailureError(f"the answer broke off and is incomplete: {reason}") from error
    finally:
        answer.close()


def select(client: Client, query: str) -> tuple[Sequence[str], Sequence[Sequence[Any]]]:
    """Columns and rows of any query that only reads. Raises ClickHouseError.

    Whether writing is refused depends on the user of `client`: use one that may only read.
    """
    answer = client.query(query)
    return answer.column_names, answer.result_rows
