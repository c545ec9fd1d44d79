"""Placeholder."""

from collections.abc import Mapping
from typing import Any

from interlock.processors.review.view import TaskView


def review_context(view: TaskView, decision: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    return {}
