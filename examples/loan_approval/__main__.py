"""Writes decisions as JSON Lines on standard output."""

from argparse import ArgumentParser

from examples.loan_approval import decisions

parser = ArgumentParser(prog="python -m examples.loan_approval", description=__doc__)
parser.add_argument("count", nargs="?", type=int, default=400, help="how many (default: %(default)s)")
for decision in decisions(parser.parse_args().count, run="loan"):
    print(decision.model_dump_json())
