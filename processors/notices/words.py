"""The words of notices: those of the policies in force, and of the versions before them that this process has seen."""

import structlog

from interlock.policy.errors import PolicyError
from interlock.policy.model import Policy
from interlock.policy.notices.terms import Notice
from interlock.policy.version import from_resolved
from interlock.schemas import wire
from interlock.schemas.keys import check_key

log = structlog.get_logger()

# Of policies that were replaced. Whoever changes one a dozen times a day keeps those of two weeks.
_MAX_VERSIONS = 200


class Words:
    """Follows the topic `policies`."""

    def __init__(self) -> None:
        self._in_force: dict[str, tuple[str, Policy]] = {}
        self._seen: dict[str, Policy] = {}

    def apply(self, key: bytes | None, value: bytes | None) -> None:
        """Takes a record of `policies`; one that cannot be used leaves the policy before in force."""
        name = (key or b"").decode(errors="replace")
        if value is None:
            self._in_force.pop(name, None)
            return
        try:
            record = wire.decode("PolicyVersion", value)
            policy = from_resolved(record["resolved"])
            check_key(name, record["name"], policy.name)
        except (PolicyError, ValueError) as error:  # WireError is a ValueError
            log.error("policy refused; the one before stays in force", policy=name, error=str(error))
            return
        self._in_force[name] = record["version"], policy
        self._seen.pop(record["version"], None)
        self._seen[record["version"]] = policy
        while len(self._seen) > _MAX_VERSIONS:
            del self._seen[next(iter(self._seen))]

    @property
    def names(self) -> frozenset[str]:
        """The notices for which any version of a policy has words."""
        return frozenset(name for policy in self._seen.values() for name in policy.notices)

    def find(self, domain: str, name: str, routed_under: str) -> tuple[str, Notice] | None:
        """The notice `name` of a domain, with the version that has it; None where no policy has words for it.

        The policy in force comes first: what was corrected there, such as an address, must be right at once. The one
        that routed the decision, `routed_under`, counts where a later one has dropped the notice, which stays due.
        """
        in_force = [each for _, each in sorted(self._in_force.items()) if domain in each[1].domains]
        before = self._seen.get(routed_under)
        for version, policy in (*in_force, *([(routed_under, before)] if before else [])):
            if name in policy.notices:
                return version, policy.notices[name]
        return None
