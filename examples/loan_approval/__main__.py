"""Writes decisions as JSON Lines on standard output."""

from argparse import ArgumentParser

from examples.loan_approval import decisions, declined

parser = ArgumentParser(prog="python -m examples.loan_approval", description=__doc__)
parser.add_argument("count", nargs="?", type=int, default=400, help="how many (default: %(default)s)")
parser.add_argument("--declined", action="store_true", help="one only, which the model would decline and a person sees")
given = parser.parse_args()
for decision in [declined("application")] if given.declined else decisions(given.count, run="loan"):
    print(decision.model_dump_json())
