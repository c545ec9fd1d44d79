"""A loan that is declined, from the first letter to the proof and the erasure, on a running instance.

docs/walks/declined-loan.md tells it with pictures.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from examples import loan_approval
from interlock.schemas.models import Decision
from interlock.sinks.opening import opened
from interlock.sinks.sealed_columns import OPENING
from tests.crash.test_kill_everything import wait_until
from tests.interlock.api.http_caller import HttpCaller
from tests.running_instance import Instance

pytestmark = [pytest.mark.kafka, pytest.mark.warehouse]

PEOPLE = {"ann": "reviewer", "bob": "reviewer", "lee": "lead", "mia": "lead"}

STATEMENT = "I paid both instalments on time; the letter of my bank says so."


class Loan:
    """The application, and the people who deal with it."""

    def __init__(self, instance: Instance, callers: dict[str, HttpCaller], decision: Decision) -> None:
        self.instance = instance
        self.decision = decision
        self.id = decision.decision_id
        self._callers = callers

    def ask(self, who: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return self._callers[who].post(f"/v1/tasks/{self.id}/{path}", body or {}).json()

    def claim(self, who: str) -> dict[str, Any]:
        """The lease, as soon as the task is open."""
        found: dict[str, Any] = {}

        def claimed() -> bool:
            found.update(self.ask(who, "claim"))
            return "epoch" in found

        wait_until(claimed, f"{who} holds the task")
        return found

    def decide(self, who: str, verdict: str, reason_code: str, reason_text: str, outcome: str = "") -> None:
        lease = self.claim(who)
        said = {"verdict": verdict, "outcome": outcome, "reason_code": reason_code, "reason_text": reason_text}
        place = {name: lease[name] for name in ("epoch", "payload_hash")}
        reply = self.ask(who, "submit", place | said)
        assert reply.get("accepted"), reply

    def overrule(self, who: str, outcome: str, reason_code: str, reason_text: str) -> None:
        shown = self._callers[who].get(f"/v1/tasks/{self.id}").json()
        said = {"verdict": "reject", "outcome": outcome, "reason_code": reason_code, "reason_text": reason_text}
        reply = self.ask(who, "override", {"payload_hash": shown["task"]["payload_hash"]} | said)
        assert reply.get("accepted"), reply

    def letters(self) -> list[dict[str, Any]]:
        """The notices that were sent, oldest first; their text is sealed."""
        rows = self.instance.rows(
            f"SELECT decision_id, action_id, corrects, text, {OPENING} FROM actions "
            f"WHERE decision_id = '{self.id}' AND kind = 'notice' ORDER BY kafka_offset"
        )
        return opened(self.instance.platform.keys, "actions", rows).rows

    def explanation(self, folder: Path, name: str) -> str:
        """The file that `interlock explain` writes."""
        page = folder / name
        self.instance.run("explain", self.id, "--html", str(page))
        return page.read_text(encoding="utf-8")

    def letter(self, number: int) -> dict[str, Any]:
        wait_until(lambda: len(self.letters()) >= number, f"letter {number} is written")
        assert len(self.letters()) == number
        return self.letters()[-1]


@pytest.fixture(scope="module")
def loan(console_instance: Instance) -> Iterator[Loan]:
    instance = console_instance
    instance.run("policy", "publish", str(loan_approval.POLICY))
    for who, role in PEOPLE.items():
        lead = ("--lead",) if role == "lead" else ()
        instance.run("reviewers", "add", who, "--queue", "underwriting", *lead)
    rights = {"producer": ("decisions:write", "decisions:read")} | {who: (role,) for who, role in PEOPLE.items()}
    with ExitStack() as stack:
        callers = {
            who: stack.enter_context(closing(HttpCaller([instance.url], instance.token(who, *granted))))
            for who, granted in rights.items()
        }
        for who in PEOPLE:
            wait_until(lambda: callers[who].post("/v1/me/on-duty").status_code == 200, f"{who} is known")  # noqa: B023
        decision = loan_approval.declined("declined")
        sent = callers["producer"].post("/v1/decisions", decision.model_dump(mode="json"))
        assert sent.status_code < 300, sent.text
        yield Loan(instance, callers, decision)


def test_an_applicant_learns_the_reason_contests_it_is_heard_by_somebody_else_and_everything_can_be_proved(
    loan: Loan, tmp_path: Path
) -> None:
    # The first underwriter agrees with the model; the applicant is told why.
    loan.decide("ann", "approve", "delinquency", "two instalments of 2025 came late")
    first = loan.letter(1)
    assert first["text"].startswith("Example Bank\n1 Main Street")
    assert "- You were late with payments on other credit\n" in first["text"]
    assert "two instalments" not in first["text"]

    # The applicant contests it. Who has decided before is not asked again.
    assert loan.ask("lee", "appeal", {"statement": STATEMENT})["accepted"]
    assert loan.ask("ann", "claim")["code"] == "same-person"
    loan.decide("bob", "approve", "collateral-insufficient", "the payments were on time; the car is not worth the loan")

    # The loan stays declined, for another reason: the first letter is corrected.
    second = loan.letter(2)
    assert "This notice replaces our earlier notice" in second["text"]
    assert "- The value of the collateral is insufficient\n" in second["text"]
    assert "late with payments" not in second["text"]

    # What another lead decides at last is told as well: the letters are withdrawn.
    loan.overrule("mia", "approve", "compensating-factors", "a second borrower signs as well")
    assert "WITHDRAWAL OF A NOTICE OF ADVERSE ACTION" in loan.letter(3)["text"]

    # The explanation is one file that tells all of it.
    told = loan.explanation(tmp_path, "explanation.html")
    for said in ("ann", "bob", "mia", STATEMENT, "two instalments of 2025 came late"):
        assert said in told, said
    assert "http://" not in told.replace("http://www.w3.org", "")
    assert "<script" not in told

    # The records prove themselves: in the whole trail, and in a file that leaves the house.
    proved = loan.instance.json("audit", "verify")
    assert proved["ok"], proved
    file = tmp_path / "loan.zip"
    wait_until(lambda: _exported(loan, file)["unsigned"] == 0, "every record of the loan is signed")
    assert loan.instance.json("audit", "verify", "--export", str(file))["ok"]
    forged = tmp_path / "forged.zip"
    forged.write_bytes(_with_one_byte_changed(file))
    assert not loan.instance.json("audit", "verify", "--export", str(forged), code=1)["ok"]

    # The applicant's data are erased. What happened is still told, without what was said about the applicant.
    subject = loan.decision.subject_id
    assert subject is not None
    erased = loan.instance.json("audit", "erase", subject, "--reason", "request 88", "--by", "dpo")
    assert erased["decisions"] >= 1
    afterwards = loan.explanation(tmp_path, "erased.html")
    assert "the key under which it was stored has been destroyed" in afterwards
    for kept in ("ann", "bob", "mia"):
        assert kept in afterwards, kept
    for gone in (STATEMENT, "two instalments of 2025 came late", "Example Bank"):
        assert gone not in afterwards, gone

    # The trail proves as before, and so does the file of before; a new file has nothing of the applicant in plain.
    assert loan.instance.json("audit", "verify")["ok"]
    assert loan.instance.json("audit", "verify", "--export", str(file))["ok"]
    again = tmp_path / "again.zip"
    assert _exported(loan, again)["records"] >= 10
    assert loan.instance.json("audit", "verify", "--export", str(again))["ok"]
    content = _content(again)
    for gone in (STATEMENT, "two instalments of 2025 came late", subject):
        assert gone.encode() not in content, gone


def _exported(loan: Loan, file: Path) -> dict[str, Any]:
    facts: dict[str, Any] = loan.instance.json("audit", "export", loan.id, "--out", str(file))
    return facts


def _content(file: Path) -> bytes:
    """Everything in an archive, unpacked."""
    with ZipFile(file) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def _with_one_byte_changed(file: Path) -> bytes:
    """The same archive, in which the first record says another thing."""
    changed = BytesIO()
    with ZipFile(file) as before, ZipFile(changed, "w") as after:
        for name in before.namelist():
            after.writestr(name, before.read(name).replace(b"delinquency", b"delinquencz"))
    return changed.getvalue()
