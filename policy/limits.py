"""How large a policy may be: whoever publishes one must not be able to stop the router for seconds.

Reading and compiling takes 1 ms for each condition and 4 ms for each thousand characters of them, so that the largest
policy takes half a second. Policies of whole banks have some dozen rules.
"""

from collections.abc import Iterator, Mapping

MAX_CONDITIONS = 200
# One condition may take most of it, for instance with a list of a few thousand codes.
MAX_CONDITION_CHARACTERS = 60_000

# The router has a table of domains by outcomes, and one of domains by models.
MAX_DOMAINS = 200
MAX_OUTCOMES = 1_000
MAX_MODELS = 1_000
MAX_ATTRIBUTES = 500
MAX_QUEUES = 500

# What has been read of a topic is measured before it is parsed. The largest policy of the above has half of it.
MAX_RESOLVED_CHARACTERS = 1_000_000


LIMITS: Mapping[str, int] = {
    "conditions of rules, safe rules and priorities": MAX_CONDITIONS,
    "characters in all conditions together": MAX_CONDITION_CHARACTERS,
    "domains": MAX_DOMAINS,
    "outcomes of all domains": MAX_OUTCOMES,
    "models of all domains": MAX_MODELS,
    "attributes of all domains": MAX_ATTRIBUTES,
    "queues": MAX_QUEUES,
}


def excesses(*counts: int) -> Iterator[str]:
    """What there is too much of, each as a sentence; `counts` in the order of `LIMITS`."""
    for count, (what, limit) in zip(counts, LIMITS.items(), strict=True):
        if count > limit:
            yield f"{count:,} {what}; {limit:,} are possible: split the policy by domains"
