"""How people judged items whose answer is known, by domain, as training examples carry it."""

from collections.abc import Mapping
from typing import Any

from interlock.learning.reviewer_errors import GoldItems


class GoldRecord:
    """A fold of the outcomes in their order."""

    def __init__(self) -> None:
        self._items: dict[str, GoldItems] = {}

    def add(self, outcome: Mapping[str, Any]) -> None:
        """Counts an `Outcome` record of a gold item, any other is none. A wrong answer that was shown on purpose in
        place of the model's is left out: whether it is noticed says something about that experiment."""
        if outcome["kind"] != "gold" or outcome["seeded"] or not outcome["reviewer"]:
            return
        shown_right = outcome["prediction"] == outcome["gold_outcome"]
        changed = outcome["outcome"] != outcome["prediction"]
        domain = outcome["domain"]
        before = self._items.get(domain, GoldItems())
        self._items[domain] = before.with_answer(shown_right=shown_right, changed=changed)

    def fields(self, domain: str) -> dict[str, int]:
        """What is known until now, as fields of a `TrainingExample`."""
        items = self._items.get(domain, GoldItems())
        return {
            "gold_wrong": items.wrong,
            "gold_found": items.found,
            "gold_right": items.right,
            "gold_left": items.left,
        }
