"""The smallest audit rates of the policies in force: evidence must know beforehand with which π a decision may come."""

from interlock.policy.errors import PolicyError
from interlock.policy.model import Policy
from interlock.policy.version import from_resolved
from interlock.schemas import wire
from interlock.schemas.keys import check_key


class AuditRates:
    """By domain, from the records of `policies`."""

    def __init__(self) -> None:
        self._rates: dict[str, dict[str, float]] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Applies a record. One that cannot be used leaves the one before: the roles that route by it tell of it."""
        name = (key or b"").decode(errors="replace")
        if value is None:
            self._rates.pop(name, None)
            return
        try:
            record = wire.decode_plain("PolicyVersion", value)
            policy = from_resolved(record["resolved"])
            check_key(name, record["name"], policy.name)
        except (PolicyError, ValueError):  # WireError is a ValueError
            return
        self._rates[name] = {domain: _smallest(policy, domain) for domain in policy.domains}

    def smallest(self, domain: str) -> float | None:
        """The smallest π with which a decision of the domain is reviewed; None where no policy tells. What the sampler
        picks besides has a greater one."""
        return min((rates[domain] for rates in self._rates.values() if domain in rates), default=None)


def _smallest(policy: Policy, domain: str) -> float:
    rates = {policy.audit_rate(lane) for lane in policy.domains[domain].lanes.values()}
    return min((rate for rate in rates if rate), default=1.0)
