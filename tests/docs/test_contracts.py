"""The table of topics says what a program needs to write to them."""

import re

from interlock.schemas import avro_schemas, catalogue
from tests.docs.commands import ROOT


def test_the_table_of_topics_has_every_topic_with_the_schema_and_id_of_its_records() -> None:
    page = (ROOT / "docs/contracts.md").read_text()
    table = page.partition("| topic | value (schema id) | key |\n|---|---|---|\n")[2].partition("\n\n")[0]
    shown: dict[str, tuple[str, str] | None] = {}
    for row in table.splitlines():
        _, topics, values, *_ = row.split("|")
        names = re.findall(r"`([a-z.-]+)`", topics)
        schemas = re.findall(r"`(\w+)` \((\d+)\)", values) or [None]
        shown.update(zip(names, schemas * len(names) if len(schemas) == 1 else schemas, strict=True))
    assert shown == {
        topic.name: (topic.schema, str(avro_schemas.schema_id(topic.schema))) if topic.schema else None
        for topic in catalogue.TOPICS
    }
