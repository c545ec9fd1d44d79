"""Any single byte, row or line of a trail that is changed, removed, inserted or moved is found: one property for the
rows as ClickHouse has them, one for the file that an auditor gets."""

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from interlock.errors import InterlockError
from interlock.operations import trail_export
from interlock.platform.trail_keys import Ed25519Signer
from interlock.sinks.trail.anchors import proved, signed_anchor
from interlock.sinks.trail.excerpt import Segment
from interlock.sinks.trail.leaf import covered, leaves
from interlock.sinks.trail.walk import Head
from tests.sinks.trail.test_any_change_is_found import CHAIN, HISTORY, SCHEMA, stored, table, variants, walked

KEY = Ed25519Signer(bytes(32))
SHAPE = covered(SCHEMA)
LINKS = stored(HISTORY)
CHANGES = [
    (index, field.name, other)
    for index, row in enumerate(HISTORY)
    for field in SHAPE
    for other in variants(row[field.name], field.type)
]
SIGNED_AT = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS, ANCHORS, MANIFEST = "records.jsonl", "anchors.jsonl", "manifest.json"

# Every example writes the file anew.
IN_A_FOLDER = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What the file says of itself. No record, no link and no signature depends on it.
CLAIMS = ("about", "made_at")


@st.composite
def tampered_rows(draw: st.DrawFn) -> tuple[Sequence[dict[str, Any]], Sequence[bytes]]:
    """The history and its links with one thing done to them by somebody without the signing key."""
    rows, links = list(HISTORY), list(LINKS)
    index = draw(st.integers(0, len(rows) - 1))
    match draw(st.sampled_from(["change", "change a link", "remove", "insert", "swap"])):
        case "change":
            index, name, other = draw(st.sampled_from(CHANGES))
            rows[index] = rows[index] | {name: other}
        case "change a link":
            byte = draw(st.integers(0, 31))
            flipped = links[index][byte] ^ draw(st.integers(1, 255))
            links[index] = links[index][:byte] + bytes([flipped]) + links[index][byte + 1 :]
        case "remove":
            del rows[index], links[index]
        case "insert":
            new = rows[index] | {"text": draw(st.binary(max_size=3))}
            rows.insert(index, new)
            links.insert(index, draw(st.sampled_from([*LINKS, bytes(32), stored([*rows[:index], new])[-1]])))
        case "swap":
            other = draw(st.integers(0, len(rows) - 1).filter(lambda other: other != index))
            rows[index], rows[other] = rows[other], rows[index]
            if draw(st.booleans()):
                links[index], links[other] = links[other], links[index]
    if draw(st.booleans()):  # whoever may write ClickHouse can also compute all links anew
        recomputed = stored(rows)
        links = links if recomputed == LINKS else recomputed
    return rows, links


@settings(max_examples=50, deadline=None, derandomize=True)
@given(tampered_rows())
def test_whatever_is_done_to_the_rows_of_a_signed_chain_breaks_it(
    tampered: tuple[Sequence[dict[str, Any]], Sequence[bytes]],
) -> None:
    rows, links = tampered
    assert walked(rows, links, [Head(9, LINKS[-1], SIGNED_AT)]).first_break is not None


def _exported() -> dict[str, bytes]:
    anchor = signed_anchor(
        KEY, {(CHAIN.stream, CHAIN.topic, CHAIN.partition): (9, LINKS[-1])}, name="sink-1", previous="", now=1
    )
    rows = table(HISTORY).select(SHAPE.names)
    records = {index: rows.slice(index, 1).to_pylist()[0] for index in (1, 3)}
    segment = Segment(CHAIN, CHAIN.beginning, leaves(rows, SHAPE), Head(9, LINKS[-1], SIGNED_AT), records)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "trail.zip"
        found = proved([anchor], [KEY.public_key])
        done = trail_export.write([(segment, 0)], {CHAIN.table: SHAPE}, found, path, {"decision": "d-1"})
        assert (done.records, done.unsigned) == (2, 0)
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


CONTENT = _exported()


@st.composite
def tampered_bytes(draw: st.DrawFn, content: bytes, unit: str) -> bytes:
    """`content` with one byte or line changed, removed, inserted or moved."""
    lines = content.splitlines(keepends=True) if unit == "line" else []
    starts = [0, *accumulate(map(len, lines))] if lines else range(len(content) + 1)
    first = draw(st.integers(0, len(starts) - 2))
    start, end = starts[first], starts[first + 1]
    before, part, after = content[:start], content[start:end], content[end:]
    match draw(st.sampled_from(["change", "remove", "insert", "move"])):
        case "change":
            return before + draw(st.binary(min_size=1, max_size=1)) + after
        case "remove":
            return before + after
        case "insert":
            return before + draw(st.sampled_from([part, b"0", b"\n", b" ", b"\x00"])) + part + after
    to = draw(st.integers(0, len(after)))
    return before + after[:to] + part + after[to:]


def _checked(content: Mapping[str, bytes], path: Path) -> trail_export.ExportCheck | None:
    """What the file proves; None where it is refused as no export."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    try:
        return trail_export.check(path, KEY.public_key)
    except InterlockError:
        return None


def test_the_untouched_file_is_proved(tmp_path: Path) -> None:
    checked = _checked(CONTENT, tmp_path / "e.zip")
    assert checked is not None
    assert (checked.ok, checked.records, checked.unsigned) == (True, 2, 0)


@settings(IN_A_FOLDER, max_examples=80)
@given(
    data=st.data(),
    name=st.sampled_from([RECORDS, ANCHORS, MANIFEST]),
    unit=st.sampled_from(["byte", "line"]),
    agreeing=st.booleans(),
)
def test_whatever_is_done_to_a_file_of_the_trail_is_found_or_changes_nothing_that_it_proves(
    tmp_path: Path, data: st.DataObject, name: str, unit: str, agreeing: bool
) -> None:
    """`agreeing`: the forger also writes the checksums of the files anew, which nobody signs."""
    content = CONTENT | {name: data.draw(tampered_bytes(CONTENT[name], unit))}
    if content == CONTENT:
        return
    if agreeing and name != MANIFEST:
        manifest = json.loads(content[MANIFEST])
        manifest["files"][name] = hashlib.sha256(content[name]).hexdigest()
        content[MANIFEST] = json.dumps(manifest).encode()
    checked = _checked(content, tmp_path / "e.zip")
    if checked is None or not checked.ok:
        return
    assert checked.unsigned == 0
    if name == RECORDS:  # that none is left out, only the whole trail proves; records have one spelling
        left, before = (each[RECORDS].splitlines() for each in (content, CONTENT))
        assert agreeing
        assert left == [line for line in before if line in left]
        assert len(left) < len(before)
    elif name == ANCHORS:
        assert json.loads(content[ANCHORS]) == json.loads(CONTENT[ANCHORS])
    else:
        assert checked.records == 2
        told, before = (json.loads(each[MANIFEST]) for each in (content, CONTENT))
        assert {key: told[key] for key in before if key not in CLAIMS} == {
            key: before[key] for key in before if key not in CLAIMS
        }


@settings(IN_A_FOLDER, max_examples=30)
@given(data=st.data())
def test_an_archive_with_any_byte_changed_is_refused_or_proves_the_same_and_never_fails_otherwise(
    tmp_path: Path, data: st.DataObject
) -> None:
    path = tmp_path / "e.zip"
    _checked(CONTENT, path)
    path.write_bytes(data.draw(tampered_bytes(path.read_bytes(), "byte")))
    try:
        checked = trail_export.check(path, KEY.public_key)
    except InterlockError:
        return
    assert (checked.ok, checked.records, checked.unsigned) == (True, 2, 0)
    with zipfile.ZipFile(path) as archive:
        assert archive.read(RECORDS) == CONTENT[RECORDS]


@pytest.mark.parametrize("name", [RECORDS, ANCHORS, MANIFEST])
def test_a_file_that_is_nested_too_deeply_to_be_read_is_refused(tmp_path: Path, name: str) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000 + b"\n"
    assert _checked(CONTENT | {name: deep}, tmp_path / "e.zip") is None
