"""What the router knows besides the decisions: policies, kill switches and calibrations, from compacted topics.

Records of these topics are applied between batches. One that cannot be read, or is not about what its key names, never
makes the router more permissive: such a policy or calibration leaves the one before in force, such a candidate is not
tried, such a control halts everything until it is replaced.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl
import structlog

from interlock.learning import recalibration_limits
from interlock.policy.compiled import CompiledPolicy, ForcedRoute, compile_policy
from interlock.policy.duties import Duties, joint_duties
from interlock.policy.errors import PolicyError
from interlock.policy.stages import Stage
from interlock.policy.version import from_resolved
from interlock.policy.vocabulary import Route
from interlock.processors.router.calibration import Calibration
from interlock.processors.router.candidates import Candidate, candidate_of
from interlock.schemas import catalogue, wire
from interlock.schemas.keys import check_key
from interlock.schemas.reasons import HALTED

log = structlog.get_logger()

HALT_ALL = "all"


@dataclass
class RouterState:
    """Policies by name and what is tried beside them, halted scopes with their reason, calibrations by (model_id,
    model_version)."""

    policies: dict[str, CompiledPolicy] = field(default_factory=dict)
    candidates: dict[str, Candidate] = field(default_factory=dict)
    halted: dict[str, str] = field(default_factory=dict)
    calibrations: dict[tuple[str, str], Calibration] = field(default_factory=dict)
    _halted_by_key: dict[str, tuple[str, str]] = field(default_factory=dict)
    # A key is not cut into id and version: either may contain an @.
    _model_by_key: dict[str, tuple[str, str]] = field(default_factory=dict)

    def apply(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Takes one record of a compacted topic; a record without a value withdraws what its key named."""
        name = (key or b"").decode(errors="replace")
        if topic == catalogue.POLICIES.name:
            self._apply_policy(name, value)
        elif topic == catalogue.POLICY_CANDIDATES.name:
            self._apply_candidate(name, value)
        elif topic == catalogue.CONTROLS.name:
            self._apply_control(name, value)
        elif topic == catalogue.CALIBRATION_MODELS.name:
            self._apply_calibration(name, value)
        else:
            raise ValueError(f"the router does not read topic {topic}")

    def policy_of(self) -> Mapping[str, CompiledPolicy | None]:
        """The policy of every known domain; None where two policies claim the domain, so that a person decides."""
        owners: dict[str, CompiledPolicy | None] = {}
        for name in sorted(self.policies):
            for domain in self.policies[name].domains:
                owners[domain] = None if domain in owners else self.policies[name]
        return owners

    def candidate_of(self, domain: str, owners: Mapping[str, CompiledPolicy | None]) -> str:
        """The name of the policy whose candidate is tried on a domain: that of its owner, or, where nobody owns it,
        the only one that would. Empty for none. `owners`: as `policy_of` gives them."""
        if domain in owners:
            owner = owners[domain]
            return owner.name if owner is not None and owner.name in self.candidates else ""
        claiming = [name for name, candidate in self.candidates.items() if domain in candidate.policy.domains]
        return claiming[0] if len(claiming) == 1 else ""

    def joint_duties(self, domain: str) -> Duties:
        """What is demanded of people who decide in a domain that more than one policy claims."""
        claiming = [self.policies[name] for name in sorted(self.policies) if domain in self.policies[name].domains]
        return joint_duties((compiled.policy for compiled in claiming), domain)

    def halts(self, frame: pl.DataFrame) -> list[ForcedRoute]:
        """Rows under a kill switch: never `auto`, whatever the policy says."""
        masks = {scope: _in_scope(frame, scope) for scope in sorted(self.halted)}
        return [ForcedRoute(f"{HALTED}{scope}", Route.ASYNC, mask) for scope, mask in masks.items() if mask.any()]

    def _apply_policy(self, name: str, value: bytes | None) -> None:
        if value is None:
            self.policies.pop(name, None)
            log.info("policy withdrawn", policy=name)
            return
        try:
            record = wire.decode("PolicyVersion", value)
            policy = from_resolved(record["resolved"])
            check_key(name, record["name"], policy.name)
            compiled = compile_policy(policy, record["version"])
        except (wire.WireError, PolicyError, ValueError) as error:
            log.error("policy refused; the one before stays in force", policy=name, error=str(error))
            return
        self.policies[name] = compiled
        log.info("policy in force", policy=name, version=compiled.version)

    def _apply_candidate(self, name: str, value: bytes | None) -> None:
        self.candidates.pop(name, None)
        try:
            record = wire.decode("PolicyCandidate", value) if value is not None else None
            if record is None or record["stage"] == Stage.WITHDRAWN:
                log.info("no candidate any more", policy=name)
                return
            candidate = candidate_of(name, record)
        except (wire.WireError, PolicyError, ValueError) as error:
            log.error("candidate refused; none is tried", policy=name, error=str(error))
            return
        self.candidates[name] = candidate
        log.info("candidate tried", policy=name, version=candidate.policy.version, share=candidate.share)

    def _apply_control(self, key: str, value: bytes | None) -> None:
        if value is None:
            self._halted_by_key.pop(key, None)
        else:
            try:
                record = wire.decode("Control", value)
                check_key(key, record["scope"])
            except ValueError as error:  # WireError is one
                log.error("unusable control; everything is halted until it is replaced", key=key, error=str(error))
                self._halted_by_key[key] = (HALT_ALL, "unusable control record")
            else:
                if record["halted"]:
                    self._halted_by_key[key] = (record["scope"], record["reason"])
                else:
                    self._halted_by_key.pop(key, None)
        self.halted = dict(self._halted_by_key.values())
        log.info("controls", halted=sorted(self.halted))

    def _apply_calibration(self, key: str, value: bytes | None) -> None:
        if value is None:
            named = self._model_by_key.pop(key, None)
            if named is not None:
                self.calibrations.pop(named, None)
            return
        try:
            record = wire.decode("CalibrationModel", value)
            named = record["model_id"], record["model_version"]
            check_key(key, "@".join(named))
        except ValueError as error:  # WireError is one
            log.error("calibration refused; the one before stays in force", key=key, error=str(error))
            return
        problem = recalibration_limits.problem(record["intercept"], record["slope"])
        if problem is not None:
            log.error("calibration refused; the one before stays in force", key=key, error=problem)
            return
        before = self._model_by_key.get(key)
        if before is not None:  # the same key may be cut in another way: a table has one record for it
            self.calibrations.pop(before, None)
        self._model_by_key[key] = named
        self.calibrations[named] = Calibration(record["version"], record["intercept"], record["slope"])
        log.info("calibration in force", model=key, version=record["version"])


def _in_scope(frame: pl.DataFrame, scope: str) -> pl.Series:
    kind, _, name = scope.partition(":")
    if kind == "domain":
        return frame["domain"] == name
    if kind == "model":
        model_id, at, version = name.rpartition("@")
        if at:
            exact = (frame["model_id"] == model_id) & (frame["model_version"] == version)
            return exact | (frame["model_id"] == name)
        return frame["model_id"] == name
    # "all", and any scope that is not understood: in doubt everything is halted.
    return pl.repeat(True, len(frame), eager=True)
