"""What the router makes of a batch."""

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.learning.recalibration_limits import MAX_INTERCEPT, MAX_SLOPE
from interlock.policy.compiled import compile_policy
from interlock.policy.load import parse
from interlock.policy.version import resolved, version
from interlock.processors.router.breaker import Breaker, TooManyBadMessagesError
from interlock.processors.router.router import Router, RouterOutputs, RouterSettings
from interlock.processors.router.state import RouterState
from interlock.schemas import wire
from interlock.schemas.columns import Engine
from interlock.schemas.copy_headers import TASK_HEADER, with_replay_header
from interlock.schemas.error_headers import read_error_headers, without_error_headers
from tests.processors.router.messages import NOW, Sent, decision, sent

KEY = bytes(range(16))
HOUR = 3_600_000_000

POLICY = parse(
    """
name: lending
audit: {rate: 0.25}
domains:
  loans:
    models: [m]
    outcomes: [approve, reject]
    lanes: {approve: {}}
    attributes: {age: int}
    queue: underwriting
  later:
    workflow: post_approval
    models: [m]
    outcomes: [approve, reject]
    lanes: {approve: {}}
    queue: after
rules:
  - {id: large, when: amount > 1000, route: sync}
  - {id: young, when: domain = 'loans' AND age < 21, route: async}
""",
    "lending",
)


def _router(engine: Engine = "pyruhvro", state: RouterState | None = None, max_bad_share: float = 1.0) -> Router:
    if state is None:
        state = RouterState()
        state.policies["lending"] = compile_policy(POLICY)
    return Router(state, RouterSettings(KEY, max_bad_share, engine))


def _unreadable(key: bytes, value: bytes | None, offset: int = 0) -> Sent:
    """A message with headers that cannot be read."""
    return Sent(key, value, record_offset=offset, headers_are_unreadable=True)


def _records(outputs: RouterOutputs) -> list[tuple[str, bytes | None, dict[str, Any]]]:
    """Topic, key and decoded record of every routed output."""
    return [
        (topic, key, wire.decode("RoutedDecision", value))
        for topic, key, value in zip(outputs.topics, outputs.keys, outputs.values, strict=True)
        if topic != "dead-letter"
    ]


def _route(*messages: Sent, router: Router | None = None) -> list[tuple[str, bytes | None, dict[str, Any]]]:
    return _records((router or _router()).process(messages, NOW))


def _only(*messages: Sent, router: Router | None = None) -> tuple[str, dict[str, Any]]:
    ((topic, _, record),) = _route(*messages, router=router)
    return topic, record


def _letters(outputs: RouterOutputs) -> list[tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]]:
    columns = zip(outputs.topics, outputs.keys, outputs.values, outputs.headers, strict=True)
    return [(key, value, headers) for topic, key, value, headers in columns if topic == "dead-letter"]


LARGE: dict[str, Any] = {"amount": 5000.0, "attributes": {"age": "40"}}
SURE: dict[str, Any] = {"amount": 10.0, "attributes": {"age": "40"}}


def test_a_routed_decision_carries_the_untouched_bytes_of_the_decision_and_why() -> None:
    message = sent(**LARGE)
    assert message.record_value is not None
    (value,) = _router().process([message], NOW).values
    assert value is not None
    assert value.endswith(message.record_value[wire.HEADER_LENGTH :])
    ((topic, key, record),) = _route(message)
    assert (topic, key) == ("reviews.sync", b"d-1")
    assert record["decision"] == wire.decode("Decision", message.record_value)
    expected = {
        "route": "sync",
        "reasons": ["lane:loans/approve:auto", "large"],
        "calibrated_confidence": 0.99,
        "policy_version": version(POLICY),
        "calibration_version": "",
        "workflow": "escalation",
        "priority": "critical",
        "queue": "underwriting",
        "audit": False,
        "propensity": 1.0,
        "override_until": None,
        "notices": [],
    }
    assert {name: record[name] for name in expected} == expected


def test_every_decision_gets_exactly_one_route_and_audited_ones_a_review_as_well() -> None:
    records = _route(*(sent(f"d-{i}", **SURE) for i in range(1000)))
    by_topic = Counter(topic for topic, _, _ in records)
    audited = {key for topic, key, _ in records if topic == "reviews.async"}
    assert by_topic["decisions.auto-approved"] == 1000
    # four standard deviations around the rate of 0.25
    assert abs(len(audited) - 250) < 4 * math.sqrt(1000 * 0.25 * 0.75)
    for topic, key, record in records:
        assert record["audit"] is (key in audited), topic
        assert record["propensity"] == 0.25


def test_an_attribute_that_is_missing_or_no_number_lets_its_rule_count_as_met() -> None:
    for attributes in ({}, {"age": "forty"}, {"age": "20"}):
        topic, record = _only(sent(amount=10.0, attributes=attributes))
        assert topic == "reviews.async"
        assert "young" in record["reasons"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"confidence": math.nan}, "implausible-confidence"),
        ({"confidence": 1.0000001}, "implausible-confidence"),
        ({"confidence": -0.1}, "implausible-confidence"),
        ({"confidence": math.inf}, "implausible-confidence"),
        ({"created_at": 0}, "implausible-timestamp"),
        ({"created_at": NOW + 2 * HOUR}, "implausible-timestamp"),
        ({"amount": math.nan}, "implausible-amount"),
        ({"amount": -math.inf}, "implausible-amount"),
        ({"domain": "elsewhere"}, "unknown-domain"),
        ({"model_id": "another"}, "unknown-model"),
        ({"prediction": "postpone"}, "unknown-prediction"),
    ],
)
def test_what_is_readable_but_implausible_goes_to_a_person_with_the_reason(fields: dict[str, Any], reason: str) -> None:
    topic, record = _only(sent(**{**SURE, **fields}))
    assert (topic, record["route"]) == ("reviews.manual", "manual")
    assert reason in record["reasons"]


def test_a_post_approval_decision_takes_effect_and_may_be_looked_at_and_chance_picks_some_for_audits() -> None:
    """Everybody may look at each of them; what stands for the others is what the audit coin picked, as elsewhere."""
    messages = [sent(f"p{number}", domain="later", amount=10.0) for number in range(400)]
    records = _route(*messages)
    assert Counter(topic for topic, _, _ in records) == {"decisions.auto-approved": 400, "reviews.async": 400}
    picked = {key for _, key, record in records if record["audit"]}
    assert len(picked) == pytest.approx(100, abs=30)
    for _, key, record in records:
        assert record["workflow"] == "post_approval"
        assert record["propensity"] == 0.25
        assert record["audit"] is (key in picked)
        assert (record["override_until"] - record["routed_at"]).total_seconds() == 24 * 3600


GOOD = sent("good", **LARGE)
assert GOOD.record_value is not None
BAD = {
    "empty-value": Sent(b"k", None),
    "not-wire-format": Sent(b"k", b"{}"),
    "unknown-schema": Sent(b"k", b"\0\0\0\x03\xe8" + GOOD.record_value[5:]),
    "malformed-avro": Sent(b"k", GOOD.record_value[:20]),
    "invalid-utf8": Sent(b"k", GOOD.record_value.replace(b"good", b"\xff\xfe\xfd\xfc")),
    "empty-id": sent(""),
    "oversized": sent("x" * 201),
    "key-mismatch": Sent(b"another", GOOD.record_value),
}


def test_a_producer_cannot_say_that_its_decision_was_counted_or_decided_before() -> None:
    headers: list[tuple[str, bytes | None]] = [
        ("traceparent", b"t"),
        (TASK_HEADER, b"decided"),
        ("interlock-caller", b"me"),
    ]
    message = sent(**LARGE)
    message.record_headers = with_replay_header(headers, "0:1")
    (passed_on,) = _router().process([message], NOW).headers
    assert passed_on == [("traceparent", b"t"), ("interlock-caller", b"me")]


@pytest.mark.parametrize("engine", ["pyruhvro", "fastavro"])
@pytest.mark.parametrize("reason", BAD)
def test_a_bad_message_becomes_a_dead_letter_and_the_rest_of_the_batch_is_unharmed(reason: str, engine: Engine) -> None:
    bad = BAD[reason]
    bad.record_offset, bad.record_partition, bad.record_headers = 17, 3, [("traceparent", b"t")]
    before = [sent(f"b-{i}", **LARGE) for i in range(20)]
    after = [sent(f"a-{i}", **LARGE) for i in range(20)]
    outputs = _router(engine).process([*before, bad, *after], NOW)
    ((key, value, headers),) = _letters(outputs)
    assert (key, value) == (bad.record_key, bad.record_value)
    assert without_error_headers(headers) == bad.record_headers
    errors = read_error_headers(headers)
    assert errors["exception"] == reason
    assert (errors["topic"], errors["partition"], errors["offset"]) == ("decisions", "3", "17")
    assert errors["message"]
    assert set(errors) == {"exception", "stacktrace", "message", "topic", "partition", "offset"}
    routed = [key for _, key, _ in _records(_router(engine).process([*before, bad, *after], NOW))]
    assert routed == [message.record_key for message in [*before, *after]]


def test_a_string_of_a_megabyte_in_a_routing_field_is_a_dead_letter() -> None:
    ((_, _, headers),) = _letters(_router().process([sent(jurisdiction="x" * 1_000_000)], NOW))
    assert read_error_headers(headers)["message"] == "jurisdiction is longer than 8192 bytes"


def test_headers_pass_through_unchanged_also_to_the_copy_for_review() -> None:
    message = sent(domain="later", amount=10.0)
    message.record_headers = [("traceparent", b"00-1-2-03"), ("ce_id", b"5"), ("empty", None)]
    outputs = _router().process([message], NOW)
    assert list(outputs.headers) == [message.record_headers, message.record_headers]


@pytest.mark.parametrize("engine", ["pyruhvro", "fastavro"])
def test_a_message_whose_headers_cannot_be_read_is_a_dead_letter_and_the_rest_of_the_batch_is_routed(
    engine: Engine,
) -> None:
    unreadable = [_unreadable(f"u-{number}".encode(), GOOD.record_value, number) for number in range(2)]
    damaged = _unreadable(b"k", b"{}", 2)
    before, after = sent("before", **LARGE), sent("after", **LARGE)
    after.record_headers = [("traceparent", b"t")]
    unreadable[0].record_key = unreadable[1].record_key = b"good"
    outputs = _router(engine).process([before, unreadable[0], BAD["key-mismatch"], damaged, unreadable[1], after], NOW)
    columns = [*zip(outputs.topics, outputs.keys, outputs.values, outputs.headers, strict=True)]
    assert [(key, headers) for topic, key, _, headers in columns if topic == "reviews.sync"] == [
        (b"before", None),
        (b"after", [("traceparent", b"t")]),
    ]
    letters = [(key, value, read_error_headers(headers)) for topic, key, value, headers in columns if "dead" in topic]
    assert [(key, value, what["exception"]) for key, value, what in letters] == [
        (b"good", GOOD.record_value, "invalid-headers"),
        (b"another", GOOD.record_value, "key-mismatch"),
        (b"k", b"{}", "not-wire-format"),
        (b"good", GOOD.record_value, "invalid-headers"),
    ]
    assert outputs.bad == {"invalid-headers": 2, "key-mismatch": 1, "not-wire-format": 1}
    assert outputs.counts == {"reviews.sync": 2, "dead-letter": 4}


def test_a_batch_of_nothing_but_unreadable_messages_has_one_dead_letter_for_each() -> None:
    outputs = _router().process([_unreadable(b"k", b"{}"), _unreadable(b"k", None)], NOW)
    assert [read_error_headers(headers)["exception"] for _, _, headers in _letters(outputs)] == [
        "not-wire-format",
        "empty-value",
    ]


def test_an_empty_batch_has_no_outputs() -> None:
    assert _router().process([], NOW).count == 0


@given(
    st.lists(
        st.builds(
            lambda number, fields: sent(f"d-{number}", **fields),
            st.integers(0, 10**6),
            st.fixed_dictionaries(
                {
                    "domain": st.sampled_from(["loans", "later", "nowhere"]),
                    "confidence": st.floats(0, 1),
                    "amount": st.none() | st.floats(0, 2000),
                    "attributes": st.sampled_from([{}, {"age": "19"}, {"age": "40"}]),
                }
            ),
        )
        | st.sampled_from(list(BAD.values())),
        max_size=30,
    ),
    st.integers(0, 30),
)
@settings(deadline=None, max_examples=60)
def test_the_output_is_byte_identical_however_the_input_is_cut_and_whichever_engine_reads_it(
    messages: list[Sent], cut: int
) -> None:
    def output(router: Router, *batches: list[Sent]) -> list[tuple[Any, ...]]:
        sent_records = []
        for batch in batches:
            o = router.process(batch, NOW)
            records = list(zip(o.topics, o.keys, o.values, (str(h) for h in o.headers), strict=True))
            assert o.count == len(records)
            sent_records += records
            assert sum(o.counts.values()) == o.count
        return sorted(sent_records, key=repr)

    whole = output(_router("pyruhvro"), messages)
    assert output(_router("fastavro"), messages) == whole
    assert output(_router("pyruhvro"), messages[:cut], messages[cut:]) == whole
    # exactly one route or one dead letter each; what takes effect and is reviewed stands in both topics
    copies = sum(1 for topic, _, value, _ in whole if topic == "reviews.async" and _is_copy(value))
    assert len(whole) - copies == len(messages)


def _is_copy(value: bytes) -> bool:
    return bool(wire.decode("RoutedDecision", value)["route"] == "auto")


def _policy_record(policy: Any = POLICY) -> bytes:
    return wire.encode(
        "PolicyVersion",
        {
            "name": policy.name,
            "version": version(policy),
            "resolved": resolved(policy),
            "source": "",
            "published_at": NOW,
            "published_by": "me",
        },
    )


def _control(scope: str, halted: bool = True) -> bytes:
    return wire.encode("Control", {"scope": scope, "halted": halted, "reason": "drift", "set_by": "me", "set_at": NOW})


def _calibration(slope: float = 0.5, intercept: float = 0.0, model_id: str = "m", model_version: str = "1") -> bytes:
    return wire.encode(
        "CalibrationModel",
        {
            "model_id": model_id,
            "model_version": model_version,
            "version": "cal-1",
            "intercept": intercept,
            "slope": slope,
            "labels": 500,
            "fitted_at": NOW,
        },
    )


def _state() -> RouterState:
    state = RouterState()
    state.apply("policies", b"lending", _policy_record())
    return state


def test_without_a_policy_every_decision_goes_to_a_person() -> None:
    topic, record = _only(sent(**SURE), router=_router(state=RouterState()))
    assert topic == "reviews.manual"
    assert (record["reasons"], record["policy_version"]) == (["unknown-domain"], "")


def test_a_published_policy_holds_from_the_next_batch_on_and_a_withdrawn_one_no_longer() -> None:
    state = RouterState()
    router = _router(state=state)
    message = sent(**SURE)
    assert _route(message, router=router)[0][0] == "reviews.manual"
    state.apply("policies", b"lending", _policy_record())
    assert _route(message, router=router)[0][0] == "decisions.auto-approved"
    state.apply("policies", b"lending", None)
    assert _route(message, router=router)[0][0] == "reviews.manual"


@pytest.mark.parametrize("value", [b"", b"rubbish", _control("all")])
def test_an_unreadable_policy_leaves_the_old_one_in_force(value: bytes) -> None:
    state = _state()
    state.apply("policies", b"lending", value)
    assert _route(sent(**SURE), router=_router(state=state))[0][0] == "decisions.auto-approved"


def test_a_domain_that_two_policies_claim_goes_to_a_person() -> None:
    state = _state()
    rival = parse("name: rival\ndomains: {loans: {models: ['*'], outcomes: [approve, reject]}}\n", "rival")
    state.apply("policies", b"rival", _policy_record(rival))
    topic, record = _only(sent(**SURE), router=_router(state=state))
    assert topic == "reviews.manual"
    assert "ambiguous-domain" in record["reasons"]


def test_each_decision_is_judged_by_the_policy_that_owns_its_domain() -> None:
    state = _state()
    other = parse("name: a\ndomains: {cats: {models: ['*'], outcomes: [approve, reject], queue: vets}}\n", "a")
    state.apply("policies", b"a", _policy_record(other))
    messages = [sent(f"d-{i}", domain=domain, **LARGE) for i, domain in enumerate(["loans", "cats", "dogs", "loans"])]
    versions = {key: record["policy_version"] for _, key, record in _route(*messages, router=_router(state=state))}
    assert versions == {b"d-0": version(POLICY), b"d-1": version(other), b"d-2": "", b"d-3": version(POLICY)}


@pytest.mark.parametrize("scope", ["all", "domain:loans", "model:m", "model:m@1"])
def test_the_kill_switch_sends_everything_in_its_scope_to_a_person_and_lifting_it_ends_that(scope: str) -> None:
    state = _state()
    router = _router(state=state)
    state.apply("controls", scope.encode(), _control(scope))
    topic, record = _only(sent(**SURE), router=router)
    assert topic == "reviews.async"
    assert record["reasons"][-1] == f"halted:{scope}"
    assert record["propensity"] == 1.0
    state.apply("controls", scope.encode(), _control(scope, halted=False))
    assert _route(sent(**SURE), router=router)[0][0] == "decisions.auto-approved"


@pytest.mark.parametrize("scope", ["domain:cats", "model:other", "model:m@2"])
def test_the_kill_switch_leaves_alone_what_is_out_of_its_scope(scope: str) -> None:
    state = _state()
    state.apply("controls", scope.encode(), _control(scope))
    assert _route(sent(**SURE), router=_router(state=state))[0][0] == "decisions.auto-approved"


def test_the_kill_switch_holds_post_approval_decisions_back_too() -> None:
    state = _state()
    state.apply("controls", b"all", _control("all"))
    topic, record = _only(sent(domain="later", amount=1.0), router=_router(state=state))
    assert topic == "reviews.async"
    assert record["override_until"] is None


def test_an_unreadable_control_halts_everything_until_it_is_replaced() -> None:
    state = _state()
    router = _router(state=state)
    state.apply("controls", b"model:m", b"rubbish")
    assert _route(sent(**SURE), router=router)[0][0] == "reviews.async"
    state.apply("controls", b"model:m", None)
    assert _route(sent(**SURE), router=router)[0][0] == "decisions.auto-approved"


def test_calibration_changes_what_lanes_compare_and_both_confidences_stay_on_the_record() -> None:
    state = _state()
    state.apply("calibration.models", b"m@1", _calibration())
    # odds of 99 become their square root: a confidence of 0.99 becomes 0.9087
    topic, record = _only(sent(**SURE), router=_router(state=state))
    assert topic == "reviews.async"
    assert record["calibrated_confidence"] == pytest.approx(math.sqrt(99) / (1 + math.sqrt(99)))
    assert record["decision"]["confidence"] == 0.99
    assert record["calibration_version"] == "cal-1"


def test_calibration_applies_to_its_model_version_only() -> None:
    state = _state()
    state.apply("calibration.models", b"m@1", _calibration())
    routed = _route(sent(model_version="2", **SURE), router=_router(state=state))
    assert routed[0][0] == "decisions.auto-approved"
    assert routed[0][2]["calibration_version"] == ""


def test_a_policy_may_decline_calibration() -> None:
    state = RouterState()
    plain = POLICY.model_copy(update={"calibration": POLICY.calibration.model_copy(update={"use": False})})
    state.apply("policies", b"lending", _policy_record(plain))
    state.apply("calibration.models", b"m@1", _calibration())
    routed = _route(sent(**SURE), router=_router(state=state))
    assert routed[0][0] == "decisions.auto-approved"
    assert (routed[0][2]["calibrated_confidence"], routed[0][2]["calibration_version"]) == (0.99, "")


@pytest.mark.parametrize(
    "value",
    [
        b"rubbish",
        *(_calibration(slope=slope) for slope in (-1.0, 0.0, math.nan, math.inf, 1e300, MAX_SLOPE + 0.1)),
        *(_calibration(intercept=at) for at in (math.nan, math.inf, -math.inf, 50.0, 1e300, MAX_INTERCEPT + 0.1)),
        _calibration(model_version="2"),
        _calibration(model_id="other"),
    ],
)
def test_a_calibration_that_makes_no_sense_or_is_about_another_model_leaves_the_one_before_in_force(
    value: bytes,
) -> None:
    state = _state()
    state.apply("calibration.models", b"m@1", value)
    assert state.calibrations == {}
    state.apply("calibration.models", b"m@1", _calibration(slope=0.7))
    before = dict(state.calibrations)
    state.apply("calibration.models", b"m@1", value)
    assert state.calibrations == before


@pytest.mark.parametrize("value", [_calibration(intercept=at) for at in (MAX_INTERCEPT, 50.0, math.inf)])
@pytest.mark.parametrize("key", [b"m@1", b"other@9", b"m@1@", b""])
def test_no_record_of_a_calibration_makes_automatic_what_the_model_itself_doubts(key: bytes, value: bytes) -> None:
    state = _state()
    state.apply("calibration.models", key, value)
    routed = _route(
        *(
            sent(f"d-{i}", confidence=raw, amount=10.0, attributes={"age": "40"})
            for i, raw in enumerate([0.0, 0.3, 0.5])
        ),
        router=_router(state=state),
    )
    assert "decisions.auto-approved" not in {topic for topic, _, _ in routed}


def test_a_confidence_below_one_half_is_not_lifted_above_it_and_every_other_one_is_calibrated() -> None:
    state = _state()
    state.apply("calibration.models", b"m@1", _calibration(slope=1.0, intercept=2.0))
    raw = [0.0, 0.1, 0.45, 0.5, 0.6]
    routed = _route(*(sent(f"d-{i}", confidence=p, **SURE) for i, p in enumerate(raw)), router=_router(state=state))
    calibrated = {record["decision"]["confidence"]: record["calibrated_confidence"] for _, _, record in routed}
    lifted = [math.exp(2) * p / (1 - p) for p in raw]
    free = [odds / (1 + odds) for odds in lifted]
    assert [calibrated[p] for p in raw] == pytest.approx([0.0, free[1], 0.5, free[3], free[4]], abs=1e-8)


@pytest.mark.parametrize(("model_id", "model_version"), [("m", "1@2"), ("m@1", "2"), ("m", "1"), ("", "")])
def test_a_tombstone_removes_the_calibration_that_its_key_names(model_id: str, model_version: str) -> None:
    state = _state()
    state.apply("calibration.models", b"other@9", _calibration(model_id="other", model_version="9"))
    key = f"{model_id}@{model_version}".encode()
    state.apply("calibration.models", key, _calibration(model_id=model_id, model_version=model_version))
    assert set(state.calibrations) == {("other", "9"), (model_id, model_version)}
    state.apply("calibration.models", key, None)
    assert set(state.calibrations) == {("other", "9")}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"m@1", b"other@9", b"m@1@2"]),
            st.sampled_from([None, b"rubbish"])
            | st.builds(
                _calibration,
                slope=st.sampled_from([0.5, 2.0, -1.0]),
                intercept=st.sampled_from([0.0, 1.0, 50.0]),
                model_id=st.sampled_from(["m", "other", "m@1"]),
                model_version=st.sampled_from(["1", "9", "2", "1@2"]),
            ),
        ),
        max_size=12,
    )
)
def test_a_router_that_reads_the_topic_again_has_the_calibrations_of_one_that_followed_it(
    records: list[tuple[bytes, bytes | None]],
) -> None:
    followed = RouterState()
    for key, value in records:
        followed.apply("calibration.models", key, value)
    restarted = RouterState()
    valid: dict[bytes, bytes | None] = {}
    for key, value in records:  # as compaction leaves them: the last usable record of each key
        alone = RouterState()
        alone.apply("calibration.models", key, value)
        if value is None or alone.calibrations:
            valid.pop(key, None)
            valid[key] = value
    for key, value in valid.items():
        restarted.apply("calibration.models", key, value)
    assert restarted.calibrations == followed.calibrations


def test_a_policy_under_another_name_than_its_own_is_refused() -> None:
    state = _state()
    before = dict(state.policies)
    state.apply("policies", b"rival", _policy_record())
    state.apply("policies", b"lending", _policy_record(POLICY.model_copy(update={"name": "rival"})))
    assert state.policies == before


@pytest.mark.parametrize("halted", [True, False])
def test_a_control_under_another_scope_than_its_own_lifts_no_halt_and_halts_everything(halted: bool) -> None:
    state = _state()
    router = _router(state=state)
    state.apply("controls", b"all", _control("all"))
    state.apply("controls", b"all", _control("model:other", halted=halted))
    assert _route(sent(**SURE), router=router)[0][0] == "reviews.async"
    state.apply("controls", b"all", _control("all", halted=False))
    assert _route(sent(**SURE), router=router)[0][0] == "decisions.auto-approved"


def test_too_many_bad_messages_stop_the_router_instead_of_emptying_the_topic() -> None:
    router = _router(max_bad_share=0.5)
    router.process([sent(f"d-{i}") for i in range(900)], NOW)
    router.process([BAD["malformed-avro"]] * 850, NOW)
    with pytest.raises(TooManyBadMessagesError, match="of the latest"):
        router.process([BAD["malformed-avro"]] * 400, NOW)


def test_a_few_bad_messages_on_a_quiet_topic_do_not_stop_the_router() -> None:
    outputs = _router(max_bad_share=0.01).process([BAD["malformed-avro"]] * 900, NOW)
    assert outputs.counts == {"dead-letter": 900}


def test_the_breaker_forgets_what_is_older_than_its_window() -> None:
    breaker = Breaker(0.5, window=100)
    for _ in range(10):
        breaker.observe(100, 40)
    breaker.observe(10, 10)
    breaker.observe(1000, 0)
    breaker.observe(100, 49)


def test_a_damaged_tail_is_forwarded_because_the_router_never_reads_it() -> None:
    message = sent(**LARGE)
    assert message.record_value is not None
    cut = Sent(message.record_key, message.record_value[:-3])
    assert _router().process([cut], NOW).counts == {"reviews.sync": 1}


def test_the_test_decision_is_valid() -> None:
    assert wire.decode("Decision", sent().record_value)["decision_id"] == decision()["decision_id"]
