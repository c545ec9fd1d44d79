"""The built-in kinds of notices: their texts by language, what each must say, and which regulation says so."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from pydantic import BaseModel, ConfigDict, Field

from interlock.policy.notices.terms import Language, Text
from interlock.policy.parts import Name
from interlock.policy.source_map import Document


class _Described(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Duty(_Described):
    """Words that every text of a language must have, and whose duty it is. `phrases`: by language."""

    source: str
    phrases: dict[Language, tuple[str, ...]]


class FactGroup(_Described):
    """Facts that are given together or not at all, with the words that they bring."""

    facts: dict[str, str]
    must_say: tuple[Duty, ...] = ()


class Kind(_Described):
    """A built-in kind of notice.

    `facts`: the ones it cannot do without, each with what it is. `groups`: of facts that not every case has.
    `tells_automation`: it says whether a person decided.
    """

    name: Name
    because: str
    facts: dict[str, str]
    groups: dict[str, FactGroup] = Field(default_factory=dict)
    must_say: tuple[Duty, ...] = ()
    tells_automation: bool = False
    texts: dict[Language, Text]
    withdrawals: dict[Language, Text]

    def known_facts(self) -> Mapping[str, str]:
        """Every fact that its texts know, with what it is."""
        optional = (group.facts for group in self.groups.values())
        return dict(self.facts) | {name: what for facts in optional for name, what in facts.items()}


@cache
def kind_names() -> tuple[str, ...]:
    """The kinds that come with Interlock."""
    entries = files("interlock.policy.notices").joinpath("kinds").iterdir()
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml")))


@cache
def kind(name: str) -> Kind:
    """A built-in kind by its name, one of `kind_names`."""
    text = files("interlock.policy.notices").joinpath("kinds", f"{name}.yaml").read_text(encoding="utf-8")
    return Kind.model_validate(Document(text, f"notices/kinds/{name}.yaml").data)
