"""What is compared with the golden files, and the command that writes them anew:

python -m tests.interlock.explanations.golden_files
"""

import json
import re
from pathlib import Path
from typing import Any

from interlock.processors.explanation.model import Explanation

FOLDER = Path(__file__).parent / "golden"

# Versions of policies and hashes of records change with every field that a schema gets.
_HASH = re.compile(r"\b[0-9a-f]{16}(?:[0-9a-f]{16})?\b")


def golden(explanation: Explanation) -> str:
    """The facts without what changes when schemas grow: hashes, and places in Kafka."""
    facts: dict[str, Any] = explanation.facts()
    timeline = [{**one, "record": one["record"].rpartition(" ")[0]} for one in facts["timeline"]]
    text = json.dumps({**facts, "timeline": timeline}, indent=1, ensure_ascii=False)
    return _HASH.sub("HASH", text) + "\n"


if __name__ == "__main__":
    from interlock.explanations.from_kafka import records_in_kafka
    from interlock.processors.explanation.explain import explain
    from tests.interlock.explanations import histories

    FOLDER.mkdir(exist_ok=True)
    topology = histories.build()
    for name in histories.NAMES:
        (FOLDER / f"{name}.json").write_text(golden(explain(records_in_kafka(topology.broker, name))))
