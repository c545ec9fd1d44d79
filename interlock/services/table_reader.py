"""The tables that a role reads before it works."""

from collections.abc import Callable, Sequence

from interlock.platform.connection import Platform
from interlock.streams.ports import Message
from interlock.streams.tables import TableReader


def table_reader(platform: Platform, topics: Sequence[str], take: Callable[[Message], None]) -> TableReader:
    """Follows the tables; what they hold by now was given to `take`."""
    tables = TableReader(platform.serving_kafka(), topics)
    try:
        for message in tables.read_all():
            take(message)
    except BaseException:
        tables.close()
        raise
    return tables
