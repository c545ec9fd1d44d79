"""Writes decisions as JSON Lines on standard output."""

import sys

from examples.content_moderation import decisions

for decision in decisions(int(sys.argv[1]) if len(sys.argv) > 1 else 400, run="comment"):
    print(decision.model_dump_json())
