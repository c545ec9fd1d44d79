"""The kill switch over HTTP."""

import pytest

from interlock.schemas import catalogue
from tests.interlock.api.api_world import World, refusal


def test_a_halt_says_who_and_when_and_is_listed_until_it_is_lifted(api: World) -> None:
    halted = api.post("/v1/controls/halt", {"scope": "model:scorer@7", "reason": "drift alarm"}, "ben").json()
    assert (halted["halted"], halted["set_by"], halted["set_at"][-1]) == (True, "ben", "Z")
    (row,) = api.get("/v1/controls").json()["halts"]
    assert (row["scope"], row["reason"], row["set_by"]) == ("model:scorer@7", "drift alarm", "ben")
    resumed = api.post("/v1/controls/resume", {"scope": "model:scorer@7", "reason": "false alarm"}).json()
    assert (resumed["halted"], resumed["set_by"]) == (False, "ana")
    assert api.get("/v1/controls").json() == {"halts": []}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"scope": "everything", "reason": "x"}, "unknown-scope"),
        ({"scope": "model:", "reason": "x"}, "unknown-scope"),
        ({"scope": "all", "reason": "  "}, "invalid"),
        ({"scope": "all"}, "invalid"),
        ({"scope": "all", "reason": "x", "until": "tomorrow"}, "invalid"),
        ({"scope": "all", "reason": "x" * 4_001}, "invalid"),
    ],
)
@pytest.mark.parametrize("verb", ["halt", "resume"])
def test_what_names_no_scope_or_no_reason_changes_nothing(
    api: World, verb: str, body: dict[str, str], code: str
) -> None:
    assert refusal(api.post(f"/v1/controls/{verb}", body)) == (422, code)
    assert api.records(catalogue.CONTROLS) == []


def test_who_may_only_look_halts_nothing(api: World) -> None:
    api.scopes["eve"] = frozenset({"controls:read"})
    assert refusal(api.post("/v1/controls/halt", {"scope": "all", "reason": "x"}, "eve")) == (403, "missing-scope")
    assert api.get("/v1/controls", "eve").json() == {"halts": []}
