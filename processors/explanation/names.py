"""Who is who: the names of the roster, as they were when somebody acted."""

from collections.abc import Iterable

from interlock.processors.explanation.model import Person
from interlock.processors.explanation.records import Entries

# As the desk and the pipeline sign what no person does.
_SYSTEM = frozenset({"", "desk"})

SYSTEM = Person("", "the system")


def begins(person: Person) -> str:
    """The name at the beginning of a sentence: as the roster writes it."""
    return "The system" if person == SYSTEM else person.name


class Names:
    """The roster over time. A person whom it never had keeps the id for a name."""

    def __init__(self, reviewers: Entries) -> None:
        self._names: dict[str, list[tuple[int, str]]] = {}
        for entry in reviewers:
            record = entry.record
            self._names.setdefault(record["id"], []).append((entry.logged_at, record["name"] or record["id"]))

    def person(self, person_id: str, at: int) -> Person:
        """Somebody, by the latest name up to `at`, or the first one after it."""
        if person_id in _SYSTEM:
            return SYSTEM
        known = self._names.get(person_id, [])
        before = [name for logged_at, name in known if logged_at <= at]
        name = before[-1] if before else known[0][1] if known else person_id
        return Person(person_id, name)

    def people(self, ids: Iterable[str], at: int) -> tuple[Person, ...]:
        """Several, in their order."""
        return tuple(self.person(one, at) for one in ids)

    def every(self) -> frozenset[str]:
        """All ids and names that the roster ever had for them."""
        names = {name for known in self._names.values() for _, name in known}
        return frozenset(names | self._names.keys())
