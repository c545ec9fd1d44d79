"""Whose commands count where the desk takes only signed ones."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.processors.desk.authority import Authority, KnownSigner
from interlock.processors.desk.processor import DeskProcessor
from interlock.schemas.copy_headers import ISSUED_HEADER, TASK_HEADER, signed_part
from interlock.schemas.signed_commands import Signer, read_signature
from tests.processors.desk.desk_records import (
    START,
    Record,
    as_written,
    command,
    policy_record,
    records,
    reviewer_record,
    routed,
)
from tests.processors.desk.desk_world import HOUR

CONSOLE = Signer("console", bytes(range(32)))
SHOP = Signer("shop", bytes(range(100, 132)))
SIGNERS = {"console": KnownSigner(CONSOLE.key), "shop": KnownSigner(SHOP.key, "callers")}


def processor(signers: dict[str, KnownSigner] | None = None) -> DeskProcessor:
    desk = DeskProcessor(authority=Authority(SIGNERS if signers is None else signers))
    for record in (policy_record(), reviewer_record("ann"), reviewer_record("bob")):
        desk.follow(record)
    return desk


def signed(record: Record, principal: str, signer: Signer = CONSOLE) -> Record:
    return replace(record, sent_headers=(*record.sent_headers, *signer.headers(principal, record.value() or b"")))


def code(desk: DeskProcessor, record: Record, now: int = START) -> str:
    """What the desk answers."""
    (reply,) = records(desk.process([record], now), "reviews.replies")
    return str(reply["code"])


def test_a_command_counts_when_the_person_it_names_is_logged_in_where_it_was_signed() -> None:
    desk = processor()
    assert code(desk, signed(command(1, "on_duty", "ann"), "ann")) == "ok"
    assert "ann" in desk.desk.state.on_duty


def test_without_signers_everybody_is_believed() -> None:
    assert code(processor({}), command(1, "on_duty", "ann")) == "ok"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (command(1, "on_duty", "ann"), "unsigned"),
        (signed(command(1, "on_duty", "ann"), "bob"), "not-yours"),
        (signed(command(1, "on_duty", "ann"), "ann", Signer("console", SHOP.key)), "bad-signature"),
        (signed(command(1, "on_duty", "ann"), "ann", Signer("stranger", CONSOLE.key)), "bad-signature"),
        (signed(command(1, "on_duty", "ann"), "ann", SHOP), "not-yours"),
        (replace(command(1, "on_duty", "ann"), sent_headers=signed(command(2, "on_duty", "ann"), "ann").sent_headers),
         "bad-signature"),
        (signed(command(1, "on_duty", "ann", issued_at=START - HOUR - 1), "ann"), "stale"),
        (signed(command(1, "on_duty", "ann", issued_at=START + HOUR + 1), "ann"), "stale"),
    ],
    ids=["no signature", "somebody else", "wrong key", "unknown signer", "a caller's key", "of another command",
         "recorded long ago", "dated ahead"],
)  # fmt: skip
def test_any_other_command_is_refused_by_name_and_changes_nothing(record: Record, expected: str) -> None:
    desk = processor()
    before = as_written(desk.process([routed("d1")], START))
    outputs = desk.process([record], START)
    assert [reply["code"] for reply in records(outputs, "reviews.replies")] == [expected]
    assert set(outputs.topics) == {"reviews.replies"}
    assert desk.desk.state.on_duty == {}
    assert before


def test_the_id_of_a_refused_command_stays_free_for_whom_it_belongs_to() -> None:
    desk = processor()
    assert code(desk, command(1, "on_duty", "ann")) == "unsigned"
    assert code(desk, signed(command(1, "on_duty", "ann"), "ann")) == "ok"


def test_a_recorded_command_that_is_sent_again_within_the_hour_is_a_repetition() -> None:
    desk = processor()
    record = signed(command(1, "on_duty", "ann"), "ann")
    assert code(desk, record) == "ok"
    desk.process([signed(command(2, "off_duty", "ann"), "ann")], START)
    assert code(desk, record, START + HOUR // 2) == "ok"
    assert desk.desk.state.on_duty == {}


def test_a_caller_gives_up_waiting_under_a_key_that_is_good_for_nothing_else() -> None:
    desk = processor()
    desk.process([routed("d1", topic="reviews.sync", route="sync")], START)
    record = command(1, "expire", "client-7", task_id="d1")
    assert code(desk, signed(record, "client-7", SHOP)) not in ("unsigned", "bad-signature", "not-yours")


@given(st.text(), st.text(), st.binary(), st.binary())
def test_a_signature_holds_for_one_principal_and_one_command(one: str, two: str, first: bytes, second: bytes) -> None:
    signature = read_signature(CONSOLE.headers(one, first))
    assert signature is not None
    assert signature.principal == one
    assert signature.is_of(first, CONSOLE.key)
    assert not signature.is_of(first, SHOP.key)
    assert signature.is_of(second, CONSOLE.key) == (first == second)
    assert replace(signature, principal=two).is_of(first, CONSOLE.key) == (one == two)


@given(st.lists(st.tuples(st.sampled_from(["interlock-principal", "interlock-signature"]), st.binary() | st.none())))
def test_headers_that_make_no_sense_are_no_signature_of_anybody(headers: list[tuple[str, bytes | None]]) -> None:
    signature = read_signature(headers)
    assert signature is None or not signature.is_of(b"command", CONSOLE.key)


def forgotten(signer: Signer | None, issued_at: int, *, other_value: bool = False) -> Record:
    """A decision that bob had decided, as a copy for an appeal that ann files."""
    desk = processor({})
    decision = routed("d1", routed_at=START)
    opened = desk.process([decision, command(1, "on_duty", "bob"), command(2, "claim", "bob", task_id="d1")], START)
    lease = records(opened, "reviews.replies")[-1]
    given = {name: lease[name] for name in ("task_id", "epoch", "payload_hash")}
    words = {"verdict": "approve", "reason_code": "other", "reason_text": "fine"}
    desk.process([command(3, "submit", "bob", **given, **words)], START)
    written = as_written(desk.process([], START + 48 * HOUR))
    last = next(record.value_bytes or b"" for record in written if record.name == "reviews.tasks")
    value, at = decision.value_bytes or b"", str(issued_at).encode()
    signature = signer.headers("ann", signed_part(last, at, value)) if signer else []
    if other_value:
        value = routed("d1", routed_at=START, queue="elsewhere").value_bytes or b""
    headers = ((TASK_HEADER, last), (ISSUED_HEADER, at), *signature)
    return replace(decision, name="reviews.manual", value_bytes=value, sent_headers=headers)


LATER = START + 99 * 24 * HOUR


@pytest.mark.parametrize(
    ("copy", "topic"),
    [
        (forgotten(CONSOLE, LATER), "reviews.tasks"),
        (forgotten(None, LATER), "dead-letter"),
        (forgotten(SHOP, LATER), "dead-letter"),
        (forgotten(Signer("console", SHOP.key), LATER), "dead-letter"),
        (forgotten(CONSOLE, LATER, other_value=True), "dead-letter"),
        (forgotten(CONSOLE, LATER - 2 * HOUR), "dead-letter"),
    ],
    ids=["signed", "unsigned", "for callers", "other key", "other decision", "recorded"],
)
def test_what_was_forgotten_is_filed_again_only_for_who_speaks_for_people(copy: Record, topic: str) -> None:
    assert processor().process([copy], LATER).topics == [topic]
    assert processor({}).process([copy], LATER).topics == ["reviews.tasks"]
