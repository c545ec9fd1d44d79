"""Which verdicts are most likely wrong: those that neither the model's confidence nor the person's record supports."""

import numpy as np

from interlock.learning.arrays import Bools, Floats, probabilities
from interlock.learning.insufficient_data import InsufficientDataError, Reason
from interlock.learning.reviewer_errors import GoldItems

# What is supposed of a person of whom little is known, as so many gold items of each kind: nine of ten judged right.
_SUPPOSED_ITEMS, _SUPPOSED_RIGHT = 10, 9


def record(items: GoldItems) -> tuple[float, float]:
    """How often a person finds an error and leaves a right answer, drawn towards what is supposed of everybody."""
    return (
        (items.found + _SUPPOSED_RIGHT) / (items.wrong + _SUPPOSED_ITEMS),
        (items.left + _SUPPOSED_RIGHT) / (items.right + _SUPPOSED_ITEMS),
    )


def doubt(confirmed: Bools, confidence: Floats, sensitivity: Floats, specificity: Floats) -> Floats:
    """The probability that each verdict is wrong, by Bayes: `confidence` that the model's answer is right, calibrated,
    and what is known of whoever gave the verdict. Refuses numbers outside of 0 to 1."""
    right = np.clip(probabilities(confidence), 1e-6, 1 - 1e-6)
    found, left = probabilities(sensitivity, "sensitivity"), probabilities(specificity, "specificity")
    if not len(confirmed) == len(right) == len(found) == len(left):
        raise InsufficientDataError(Reason.LENGTHS_DIFFER, "give one number of each kind for every verdict")
    missed, changed = (1 - right) * (1 - found), right * (1 - left)
    of_confirmed = missed / (missed + right * left + 1e-12)
    of_changed = changed / (changed + (1 - right) * found + 1e-12)
    return np.where(confirmed, of_confirmed, of_changed)
