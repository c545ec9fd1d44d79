"""Whatever stands in a file: every line is a decision or an error, or one sentence says why the file cannot be read."""

import random
from pathlib import Path

import pytest

from interlock.errors import InterlockError
from interlock.produce.formats import open_rows
from interlock.produce.layout import Layout
from interlock.produce.proposal import propose
from interlock.produce.reading import LineError, decisions
from interlock.produce.rejects import Rejects
from tests.interlock.produce.files import NOW, mapping

WHOLE = {
    "csv": "decision_id,confidence,amount,created_at,impact,attributes\n"
    'a,0.5,1.5,2026-01-01,"x ""y"" z","{""a"":1}"\nb,0.6,,2026-01-01 10:00,"two\nlines",\nc,0,7,1700000000,ü😀,\n',
    "jsonl": '{"decision_id":"a","confidence":0.5,"history":{"previous_decisions":[{"decided_at":"2026-01-01"}]}}\n'
    '{"decision_id":1,"confidence":"0.5","attributes":{"a":1.5,"b":null},"input":{"a":[1,{"b":2}]}}\n'
    '{"decision_id":"c","confidence":1e0,"vector":[1,2],"alternatives":[{"option":"x","confidence":1}]}\n',
}
DAMAGE = [
    *(
        b'"',
        b",",
        b";",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xed\xa0\xbd",
        b"NaN",
        b"1e999",
        b"\\ud83d",
        b"[",
        b"{",
        b"null",
    ),
    *(
        b"0x10",
        b"\t",
        b"\xef\xbb\xbf",
        b"sep=;\n",
        b"9" * 400,
        b"1_000",
        b"\xc2\xa0",
        b"\xd9\xa1",
        b"2026-13-45",
        b"inf",
    ),
    *(b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59"),
]
ENCODINGS = ["utf-8", "utf-8", "utf-8", "utf-16", "utf-16-le", "utf-8-sig"]
READ_AS = [None, None, None, "cp1252", "utf-16", "ascii", "utf-7", "shift_jis"]


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_no_damage_ends_in_anything_but_errors_of_lines_or_one_of_the_file(tmp_path: Path, ending: str) -> None:
    chance = random.Random(20260101)
    path, to = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    read = refused = 0
    for _ in range(300):
        content = bytearray(WHOLE[ending].encode(chance.choice(ENCODINGS)))
        for _ in range(chance.randint(0, 6)):
            start = chance.randrange(len(content) + 1)
            content[start : start + chance.choice((0, 0, 1, 3))] = chance.choice(DAMAGE)
        path.write_bytes(content)
        layout = Layout(encoding=chance.choice(READ_AS), decimal=chance.choice(".,"), timezone="Europe/Berlin")
        columns = mapping(layout=layout, ignore_unknown=True)
        try:
            with open_rows(path, layout) as rows, Rejects(to, path, rows, layout) as rejects:
                for found in decisions(rows, path, columns, lambda: NOW):
                    if isinstance(found, LineError):
                        assert str(found)
                        rejects.add(found)
                    else:
                        read += bool(found.to_record())
            with open_rows(path, layout) as rows:
                assert propose(rows, columns, NOW)
        except InterlockError:
            refused += 1
    assert read > 100
    assert 0 < refused < 250
