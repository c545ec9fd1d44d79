"""Replay: what a candidate policy would have done with the decisions of the past."""

from interlock.policies.replay.matrix import Cell, Example, Replay, RuleEffect
from interlock.policies.replay.replaying import NothingToReplayError, replay

__all__ = ["Cell", "Example", "NothingToReplayError", "Replay", "RuleEffect", "replay"]
