"""Tables that a fold follows beside its topic."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from interlock.streams.ports import Broker, Message
from interlock.streams.tables import TableReader


@contextmanager
def followed(broker: Broker, topics: tuple[str, ...], apply: Callable[[Message], None]) -> Iterator[Callable[[], None]]:
    """Applies what the tables hold, and then, whenever the yielded function is called, what is new."""
    with closing(TableReader(broker, topics)) as reader:
        for message in reader.read_all():
            apply(message)

        def refresh() -> None:
            for message in reader.poll():
                apply(message)

        yield refresh
