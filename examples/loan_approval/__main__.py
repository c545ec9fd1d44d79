"""Writes decisions as JSON Lines on standard output."""

import sys

from examples.loan_approval import decisions

for decision in decisions(int(sys.argv[1]) if len(sys.argv) > 1 else 400, run="loan"):
    print(decision.model_dump_json())
