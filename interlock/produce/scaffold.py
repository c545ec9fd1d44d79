"""A first policy, mapping and sample decisions for a new domain: `interlock init`."""

import csv
import io
import json
import re
from string import Template

from interlock.errors import UsageError

_DOMAIN = re.compile(r"[a-z][a-z0-9_]{0,40}")

_POLICY = Template("""\
# Which decisions of $domain take effect by themselves, and which ones a person sees; see docs/policies.md.
# After each change: interlock policy check policy.yaml
name: $domain
domains:
  $domain:
    workflow: escalation            # or pre_approval, post_approval, hybrid
    models: [$model]    # decisions of other models go to a person
    outcomes: [approve, reject]     # other predictions go to a person
    lanes:
      # At least this confident: without a person (auto), in a queue (async), while the caller waits (sync).
      approve: {auto: 0.90, async: 0.70, sync: 0.50}
      reject: {auto: 0.95, async: 0.70, sync: 0.50}
    attributes: {region: string}    # what rules may use beside the fields of every decision
    queue: $domain
    on_timeout: escalate            # what happens when a caller waits in vain: a lead is asked
    reason_codes: [wrong-prediction, missing-information]
queues:
  $domain: {lease: 15m}
rules:
  - id: large-amount
    when: amount > 10000
    route: async
    because: A person signs large amounts
audit: {rate: 0.05}                 # the share of automatic decisions that a person sees as well
""")

_MAPPING = Template("""\
# How the columns of decisions.csv become the fields of a decision; see docs/producing.md. A column named like a field
# needs no line here. `interlock produce FILE --explain` proposes such a file for another table.
fields: {decision_id: case, prediction: answer, confidence: score}   # field: column
set: {domain: $domain, model_id: $model, model_version: "1"}   # the same for every row
attributes: [region]                                # columns that the policy declares as attributes
input: [region, amount, customer_since]             # what reviewers are shown
""")

# Case, prediction, confidence, amount, region, customer since: one for each way that a decision can take.
_COLUMNS = ("case", "answer", "score", "amount", "region", "customer_since")
_CASES = (
    (1, "approve", 0.97, 1200, "north", 2019),  # takes effect by itself
    (2, "approve", 0.96, 48000, "north", 2021),  # the rule large-amount
    (3, "approve", 0.78, 900, "south", 2024),  # not confident enough: a queue
    (4, "reject", 0.91, 2500, "west", 2020),  # rejections need more confidence
    (5, "reject", 0.55, 700, "east", 2025),  # the caller waits for it
    (6, "approve", 0.31, 300, "south", 2023),  # no lane is met: manual
)


def scaffold(domain: str) -> dict[str, str]:
    """Text by file name. Raises UsageError for a name that no domain can have."""
    if not _DOMAIN.fullmatch(domain):
        raise UsageError(
            f"{domain!r} is no name for a domain: use small letters, digits and _, for example loan_approval"
        )
    names = {"domain": domain, "model": f"{domain}-model"}
    return {
        "policy.yaml": _POLICY.substitute(names),
        "mapping.yaml": _MAPPING.substitute(names),
        "decisions.jsonl": "".join(_json_line(names, case) for case in _CASES),
        "decisions.csv": _csv(domain),
    }


def _json_line(names: dict[str, str], case: tuple[int, str, float, int, str, int]) -> str:
    number, prediction, confidence, amount, region, since = case
    decision = {
        "decision_id": f"{names['domain']}-{number}",
        "domain": names["domain"],
        "model_id": names["model"],
        "model_version": "1",
        "prediction": prediction,
        "confidence": confidence,
        "amount": amount,
        "attributes": {"region": region},
        "input": {"region": region, "amount": amount, "customer_since": since},
    }
    return json.dumps(decision) + "\n"


def _csv(domain: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((f"{domain}-csv-{number}", *rest) for number, *rest in _CASES)
    return text.getvalue()
