"""The exact form of the Cochran–Mantel–Haenszel test: association within strata, whatever differs between them.

Given how many decisions and overrides each stratum holds, and how many of its decisions lie inside a group, the
overrides inside are hypergeometric in each stratum and independent between strata if the group does not matter. Their
sum therefore has the convolution of these distributions (Mehta, Patel and Gray, JASA 1985).
"""

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]


def upper_tail(cases: Counts, hits: Counts, inside: Counts, hits_inside: Counts) -> float:
    """P(at least as many hits inside the group, over all strata, as there are), one-sided.

    All (strata,): `cases` with `hits` among them; of `cases`, `inside` the group with `hits_inside` among them.
    """
    from scipy.stats import hypergeom

    least, most = np.maximum(0, inside + hits - cases), np.minimum(inside, hits)
    order = np.argsort(most - least)
    # Of the widest stratum only tails are needed, and the others are narrow: a few audits, and few overrides.
    *narrow, widest = [
        hypergeom.pmf(np.arange(least[index], most[index] + 1), cases[index], hits[index], inside[index])
        for index in order
    ]
    others = np.ones(1)
    for masses in narrow:
        others = np.convolve(others, masses)
    tails = np.append(np.cumsum(widest[::-1])[::-1], 0.0)
    needed = int(hits_inside.sum() - least.sum()) - np.arange(len(others))
    return min(1.0, float(others @ tails[np.clip(needed, 0, len(widest))]))
