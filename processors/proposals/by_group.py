"""A promise for every group of an attribute, not only for all together.

Something is certified where the evidence of all and of each group inside it suffices at the same risk. Nothing is
divided among groups: to claim falsely that all of them keep the promise, the evidence of one that breaks it must pass,
which it does with that risk (an intersection–union test; Berger 1982, "Multiparameter hypothesis testing and acceptance
sampling").
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import numpy as np

from interlock.learning.arrays import Bools, Floats
from interlock.learning.certification import Evidence
from interlock.learning.rule_evidence import RuleEvidence
from interlock.policy.attribute_groups import NOT_KNOWN, group_of
from interlock.policy.model import Domain
from interlock.processors.proposals.examples import Example
from interlock.processors.proposals.ladder import Ladder

# As many groups of an attribute as a person compares; an attribute with more values makes no groups.
MAX_GROUPS = 50

T = TypeVar("T", Evidence, RuleEvidence)


@dataclass(frozen=True, slots=True)
class Grouping:
    """By which attribute a domain has certificates given. `cuts`: see `Domain.group_cuts`."""

    attribute: str
    cuts: tuple[float, ...]

    def of(self, example: Example) -> str:
        """The group of a decision."""
        return group_of(example.attributes.get(self.attribute), self.cuts)

    def apart(self, examples: Iterable[Example]) -> dict[str, list[Example]]:
        """Examples by group, in their order."""
        groups: defaultdict[str, list[Example]] = defaultdict(list)
        for example in examples:
            groups[self.of(example)].append(example)
        return groups

    def named(self, group: str) -> str:
        """For a person: "age 65 or more"."""
        return f"{self.attribute} {'not known' if group == NOT_KNOWN else group}"

    def __str__(self) -> str:
        """The same for the same groups."""
        return " ".join([self.attribute, *(f"{cut:.15g}" for cut in self.cuts)])


def grouping(domain: Domain) -> Grouping | None:
    """The one that a policy asks for."""
    return None if domain.certify_by is None else Grouping(domain.certify_by, domain.group_cuts[domain.certify_by])


class ByGroup(Generic[T]):
    """The evidence for the same claims in each group apart, of the same examples as that of all."""

    def __init__(
        self, by: Grouping, begin: Callable[[], Ladder[T]], add: Callable[[Ladder[T], Sequence[Example]], Ladder[T]]
    ) -> None:
        """`begin`: no evidence. `add`: the evidence after more examples."""
        self.by = by
        self._begin: Callable[[], Ladder[T]] = begin
        self._add: Callable[[Ladder[T], Sequence[Example]], Ladder[T]] = add
        self._groups: dict[str, Ladder[T]] = {}

    def add(self, examples: Iterable[Example]) -> None:
        """Adds examples in their order."""
        for group, own in self.by.apart(examples).items():
            if group in self._groups or len(self._groups) <= MAX_GROUPS:
                self._groups[group] = self._add(self._groups.get(group) or self._begin(), own)

    @property
    def too_many(self) -> bool:
        """More groups than anybody compares: nothing is certified by them."""
        return len(self._groups) > MAX_GROUPS

    def evidence(self, limit: float) -> Iterator[tuple[str, T]]:
        """Of each group that occurred, by name."""
        for group in sorted(self._groups):
            own = self._groups[group].evidence(limit)
            if own is not None:
                yield group, own

    def weakest(self, evidence: T, limit: float) -> T:
        """`evidence` of all, each claim held to the group inside it of which the evidence is weakest."""
        if self.too_many:
            return replace(evidence, peak=np.zeros_like(evidence.peak))
        peaks: list[Floats] = [np.where(occurs(own), own.peak, np.inf) for _, own in self.evidence(limit)]
        return replace(evidence, peak=np.minimum.reduce([evidence.peak, *peaks]))

    def inside(self, claim: int, limit: float) -> tuple[str, ...]:
        """The groups inside one claim."""
        return tuple(group for group, own in self.evidence(limit) if occurs(own)[claim])


def occurs(evidence: Evidence | RuleEvidence) -> Bools:
    """By claim, whether any example was inside it: every one moves the capital."""
    return np.asarray((evidence.log_e != 0).any(axis=1))
