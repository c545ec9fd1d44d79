"""Replay: what a candidate policy would have done with the decisions of the past."""

from interlock.policies.replay.matrix import Cell, Example, RuleEffect
from interlock.policies.replay.replaying import NothingToReplayError, replay
from interlock.policies.replay.result import Replay

__all__ = ["Cell", "Example", "NothingToReplayError", "Replay", "RuleEffect", "replay"]
