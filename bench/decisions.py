"""Synthetic lending decisions of a realistic size and mix, the same for every run."""

import random
import time
from collections.abc import Iterator

from interlock.schemas import wire

POLICY = "bench/lending.yaml"

# Three headers as producers set them: a trace and two CloudEvents attributes.
HEADERS = [
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("ce_source", b"/models/credit"),
    ("ce_type", b"decision"),
]

_INPUT = '{"purpose":"car","term_months":36,"employment_years":7,"housing":"own","savings":"100-500"}'


# So many that hardly two decisions are about one of them.
SUBJECTS = 10**9


def decisions(
    count: int, seed: int = 7, created_at: int | None = None, subjects: int = SUBJECTS
) -> Iterator[tuple[bytes, bytes]]:
    """Key and framed value of `count` decisions about as many as `subjects`, about 330 bytes each.

    `created_at` in microseconds since the epoch; None: the time of the call that makes each decision.
    """
    rng = random.Random(seed)
    for number in range(count):
        decision_id = f"d-{seed:04d}-{number:012d}"
        loan = rng.random() < 0.8
        record = {
            "decision_id": decision_id,
            "domain": "loan_approval" if loan else "financial",
            "model_id": "credit-scorer",
            "model_version": "7",
            "prediction": "approve" if rng.random() < 0.7 else "reject",
            "confidence": round(rng.betavariate(8, 1.5), 6),
            "created_at": time.time_ns() // 1000 if created_at is None else created_at,
            "impact": "household",
            "amount": round(rng.lognormvariate(8.5, 1.0), 2),
            "novel": rng.random() < 0.02,
            "compliance_review": rng.random() < 0.01,
            "jurisdiction": "DE",
            "subject_id": f"s-{rng.randrange(subjects):09d}",
            "attributes": {
                "applicant_age": str(rng.randrange(18, 90)),
                "country": rng.choice(("DE", "FR", "PL")),
            },
            "input": _INPUT,
            "explanation": {"reasoning": "income and history weigh most", "top_features": []},
        }
        yield decision_id.encode(), wire.encode("Decision", record)
