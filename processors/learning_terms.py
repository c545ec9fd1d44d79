"""What the policies in force set for those who learn from verdicts: the smallest audit rate, and override limits."""

from interlock.policy.errors import PolicyError
from interlock.policy.model import Policy
from interlock.policy.review import owner
from interlock.policy.version import from_resolved
from interlock.schemas import wire
from interlock.schemas.keys import check_key


class LearningTerms:
    """By domain, from the records of `policies`."""

    def __init__(self) -> None:
        self._policies: dict[str, Policy] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Applies a record. One that cannot be used leaves the one before: the roles that route by it tell of it."""
        name = (key or b"").decode(errors="replace")
        if value is None:
            self._policies.pop(name, None)
            return
        try:
            record = wire.decode_plain("PolicyVersion", value)
            policy = from_resolved(record["resolved"])
            check_key(name, record["name"], policy.name)
        except (PolicyError, ValueError):  # WireError is a ValueError
            return
        self._policies[name] = policy

    def smallest_propensity(self, domain: str) -> float | None:
        """The smallest π with which a decision of the domain is reviewed; None where no policy tells. What the sampler
        picks besides has a greater one. Evidence must know it beforehand."""
        return min(
            (_smallest(policy, domain) for policy in self._policies.values() if domain in policy.domains), default=None
        )

    def override_limit(self, domain: str, model_id: str, model_version: str) -> float | None:
        """The share of all decisions of the model version that people may override; None where no policy tells."""
        policy = owner(self._policies, domain)
        return None if policy is None else policy.domains[domain].limit_of(model_id, model_version)


def _smallest(policy: Policy, domain: str) -> float:
    rates = {policy.audit_rate(lane) for lane in policy.domains[domain].lanes.values()}
    return min((rate for rate in rates if rate), default=1.0)
