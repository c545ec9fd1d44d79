"""JSON inside records: what is taken, what is refused with its place, and what is printed of what is there anyhow."""

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.schemas import json_text
from interlock.schemas.json_text import JsonError, JsonSyntaxError


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"text": "NaN", "income": NaN}', "NaN at character 27; write null"),
        ('{"ratio": -Infinity}', "-Infinity at character 11"),
        ('{"text": "so sad \\ud83d"}', r"half of a surrogate pair \(U\+D83D\) at character 8"),
        ('{"\\udc00": 1}', "half of a surrogate pair"),
        (nested(65), "nested deeper than 64 levels"),
        (nested(3_000), "nested deeper than 64 levels"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ('{"n": ' + "1" * 5_000 + "}", "a number of more than 4,300 digits"),
        ('{"n": 1e999}', "beyond what a double can hold"),
    ],
)
def test_json_that_some_reader_cannot_take_is_refused_with_the_reason(text: str, complaint: str) -> None:
    with pytest.raises(JsonError, match=complaint):
        json_text.parse(text)
    with pytest.raises(JsonError, match=complaint):
        json_text.parse(text.encode())


def test_text_that_is_no_json_is_told_apart() -> None:
    for text in ("", "rubbish", "{", b"\xff\xfe\xff"):
        with pytest.raises(JsonSyntaxError, match="not JSON"):
            json_text.parse(text)


def test_up_to_the_limits_json_is_taken() -> None:
    assert json_text.parse(nested(64))
    assert json_text.parse('{"n": ' + "1" * 4_300 + "}")
    assert json_text.parse('"\\ud83d\\ude00"') == "😀"


def test_values_of_tables_become_json_and_what_has_no_form_is_refused() -> None:
    given_values = {
        "income": math.nan,
        "ratio": -math.inf,
        "born": date(1990, 1, 31),
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "price": Decimal("1.10"),
        "none": None,
        7: [1, (True, "x")],
    }
    assert json.loads(json_text.as_json(given_values)) == {
        "income": None,
        "ratio": None,
        "born": "1990-01-31",
        "at": "2026-01-01T00:00:00+00:00",
        "price": "1.10",
        "none": None,
        "7": [1, [True, "x"]],
    }
    for odd in (b"x", object(), {1.5: 1}, "\ud83d", {"\ud83d": 1}, 10**5_000, json.loads(nested(65))):
        with pytest.raises(JsonError):
            json_text.as_json({"a": odd})


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(codec=None)), inner, max_size=3),
    max_leaves=10,
)


@given(_anything)
def test_what_is_printed_is_json_in_any_language_whatever_it_says(value: Any) -> None:
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    text = json_text.dumps(value)
    json.loads(text.encode(), parse_constant=refuse)


@given(_anything)
def test_what_is_taken_is_taken_again(value: Any) -> None:
    try:
        text = json_text.as_json({"value": value})
    except JsonError:
        return
    assert json_text.as_json(json_text.parse(text)) == text
