"""Whether the risk of false certificates adds up to what a policy allows a year.

Ten lanes whose models are wrong slightly more often than a certificate allows, whatever they are sure of, and whose
evidence starts anew every month: every certificate is false.
"""

import numpy as np

from bench.gates.gate import Gate, Promise
from interlock.learning.certification import no_evidence
from interlock.policy.load import parse
from interlock.policy.model import Policy
from interlock.processors.proposals.risk import Starts, delta_of

ALPHA, DELTA, PER_YEAR = 0.05, 0.10, 0.10
LANES, MONTHS = 10, 12

# Of each lane in a month, and their true error. Nearer to alpha would take longer to tell.
_AUDITS, _ERROR = 300, 0.051
_MONTH = 30 * 86_400_000_000


def policy() -> Policy:
    """A policy with the lanes and a budget."""
    outcomes = [f"o{number}" for number in range(LANES)]
    lanes = ", ".join(f"{outcome}: {{auto: 0.9}}" for outcome in outcomes)
    return parse(
        f"name: p\nrisk: {{per_year: {PER_YEAR}}}\ndomains:\n"
        f"  d: {{models: ['*'], outcomes: [{', '.join(outcomes)}], lanes: {{{lanes}}}}}\n",
        "p",
    )


def years(runs: int) -> dict[str, float]:
    """The share of years with a false certificate: with the budget of the policy, and with a risk of its own for each.

    Audits of one π, so that the evidence is a product of factors; half of the budget, that of safe rules, is not used.
    """
    terms = policy()
    shares = np.array(no_evidence(np.array([0.9]), alpha=ALPHA, delta=DELTA).shares)
    won, lost = np.log1p(shares * ALPHA / (1 - ALPHA)), np.log1p(-shares)
    within, alone = 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        starts, false_within, false_alone = Starts(), False, False
        for month in range(MONTHS):
            wrong = rng.random((LANES, _AUDITS)) < _ERROR
            steps = np.where(wrong[..., None], lost, won).cumsum(axis=1)
            peaks = np.log(np.exp(steps).mean(axis=2)).max(axis=1)
            for lane, peak in enumerate(peaks):
                delta = delta_of(terms, starts.next("d", f"o{lane}", month * _MONTH), DELTA)
                false_within |= bool(peak >= -np.log(delta))
                false_alone |= bool(peak >= -np.log(DELTA))
        within += false_within
        alone += false_alone
    return {"false within the budget": within / runs, "false each on its own": alone / runs}


GATES = {
    "risk of ten lanes over a year": Gate(
        years, 2_000, (Promise("false within the budget", at_most=PER_YEAR, before=0.99),), quick=200
    )
}
