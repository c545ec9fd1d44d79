"""Deciding: verdicts, reasons, effects, second thoughts."""

import pytest

from tests.processors.desk.desk_world import DAY, HOUR, POLICY, SECOND, DeskWorld


@pytest.fixture
def world() -> DeskWorld:
    world = DeskWorld()
    world.hire("ann", "bob", "cid")
    world.hire("lee", "lou", role="lead")
    return world


def actions(world: DeskWorld) -> list[tuple[str, str]]:
    return [(action["action_id"], action["outcome"]) for action in world.said["actions"]]


def audit(world: DeskWorld, decision_id: str = "a1") -> None:
    world.arrive(decision_id, route="auto", audit=True, propensity=0.05, priority="low")


def post(world: DeskWorld, decision_id: str = "p1") -> None:
    world.arrive(
        decision_id,
        route="auto",
        workflow="post_approval",
        domain="post",
        queue="moderation",
        prediction="publish",
        priority="low",
        override_until=world.now + DAY,
    )


def test_an_approved_prediction_takes_effect_once(world: DeskWorld) -> None:
    world.arrive("d1")
    assert not world.said["resolutions"]
    world.decide("ann")
    assert actions(world) == [("d1/1/execute", "approve")]
    resolution = world.last("resolutions")
    assert (resolution["version"], resolution["outcome"], resolution["source"]) == (1, "approve", "review")
    assert resolution["decided_by"] == ["ann"]
    assert not resolution["final"]


def test_rejecting_means_the_other_outcome_where_there_is_only_one_and_its_notice_is_due(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    assert actions(world) == [("d1/1/execute", "reject"), ("d1/1/notify", "reject")]
    assert world.last("actions")["notices"] == ["adverse_action"]
    outcome = world.last("reviews.outcomes")
    assert (outcome["outcome_id"], outcome["overridden"], outcome["resolves"]) == ("d1#1", True, True)


def test_a_second_verdict_is_refused_and_names_who_decided_and_when(world: DeskWorld) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    world.decide("ann", claimed=lease)
    late = world.decide("ann", "reject", claimed=lease)
    assert late["code"] == "already-decided"
    assert "approve by ann at 2026-01-01T00:00:00Z" in late["message"]
    assert len(world.said["resolutions"]) == 1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"reason_code": ""}, "missing-reason"),
        ({"reason_text": "  "}, "missing-reason"),
        ({"reason_code": "mood"}, "unknown-reason"),
        ({"verdict": "perhaps"}, "unknown-verdict"),
        ({"verdict": "reject", "outcome": "approve"}, "unknown-outcome"),
        ({"verdict": "choose"}, "missing-outcome"),
        ({"verdict": "choose", "outcome": "maybe"}, "unknown-outcome"),
        ({"verdict": "approve", "outcome": "reject"}, "unknown-outcome"),
        ({"verdict": "modify"}, "invalid"),
        ({"verdict": "modify", "modifications": "[1]"}, "invalid"),
        ({"verdict": "modify", "modifications": "{"}, "invalid"),
        ({"verdict": "modify", "modifications": '{"amount": NaN}'}, "invalid"),
        ({"verdict": "modify", "modifications": '{"name": "\\ud800"}'}, "invalid"),
        ({"verdict": "modify", "modifications": '{"a": ' * 65 + "1" + "}" * 65}, "invalid"),
        ({"verdict": "modify", "modifications": '{"a": ' * 990 + "1" + "}" * 990}, "invalid"),
        ({"verdict": "modify", "modifications": '{"n": ' + "1" * 5_000 + "}"}, "invalid"),
    ],
)
def test_a_verdict_that_cannot_be_taken_is_refused_and_the_lease_stays(
    world: DeskWorld, given: dict[str, str], code: str
) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    refused = world.decide("ann", claimed=lease, **{"verdict": "approve", **given})
    assert refused["code"] == code
    assert len(refused["message"]) > 20
    assert world.events("d1") == ["arrived", "claimed"]
    assert world.decide("ann", claimed=lease)["accepted"]


def test_a_view_that_is_not_what_was_routed_is_refused(world: DeskWorld) -> None:
    world.arrive("d1")
    lease = world.claim("ann")
    assert world.decide("ann", claimed=lease | {"payload_hash": "else"})["code"] == "stale-view"


def test_modified_fields_travel_to_the_executor(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "modify", modifications='{"amount": 80}')
    assert world.last("actions")["modifications"] == '{"amount": 80}'
    assert world.last("resolutions")["outcome"] == "approve"


def test_hybrid_offers_the_top_options_and_keeps_which_was_preferred(world: DeskWorld) -> None:
    options = (("sell", 0.3), ("buy", 0.5), ("nonsense", 0.9))
    task = world.arrive(
        "h1", workflow="hybrid", domain="advice", queue="advisers", prediction="hold", alternatives=options
    )
    assert task.options == ("hold", "buy")
    lease = world.claim("ann")
    assert world.decide("ann", "choose", claimed=lease, outcome="sell")["code"] == "unknown-outcome"
    world.decide("ann", "choose", claimed=lease, outcome="buy")
    outcome = world.last("reviews.outcomes")
    assert (outcome["options"], outcome["outcome"], outcome["verdict"]) == (("hold", "buy"), "buy", "choose")


def test_a_lead_overrides_within_the_window_and_the_effect_is_rolled_back_first(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    given = {"payload_hash": "hash of d1", "verdict": "reject", "reason_code": "income", "reason_text": "forged"}
    assert world.command("override", "bob", task_id="d1", **given)["code"] == "not-lead"
    assert world.command("override", "lee", task_id="d1", **given)["accepted"]
    assert [action_id for action_id, _ in actions(world)] == [
        "d1/1/execute",
        "d1/1/roll_back",
        "d1/2/execute",
        "d1/2/notify",
    ]
    assert (world.last("resolutions")["version"], world.last("resolutions")["source"]) == (2, "override")
    assert world.last("reviews.outcomes")["kind"] == "override"


def test_an_override_after_the_window_is_refused_with_the_reason(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    world.wait(DAY)
    given = {"payload_hash": "hash of d1", "verdict": "reject", "reason_code": "income", "reason_text": "forged"}
    refused = world.command("override", "lee", task_id="d1", **given)
    assert refused["code"] == "window-closed"
    assert "2026-01-02T00:00:00Z" in refused["message"]


def test_there_is_nothing_to_override_before_a_decision_or_by_the_same_outcome(world: DeskWorld) -> None:
    world.arrive("d1")
    given = {"payload_hash": "hash of d1", "reason_code": "income", "reason_text": "forged"}
    assert world.command("override", "lee", task_id="d1", verdict="reject", **given)["code"] == "not-decided"
    world.decide("ann")
    assert world.command("override", "lee", task_id="d1", verdict="approve", **given)["code"] == "invalid"


# post_approval


def test_a_post_approval_decision_has_a_word_at_once_that_is_not_final(world: DeskWorld) -> None:
    post(world)
    word = world.last("resolutions")
    assert (word["version"], word["source"], word["final"]) == (1, "policy", False)
    assert word["override_until"] == world.now + DAY
    assert not world.said["actions"]


def test_agreeing_within_the_window_does_nothing_again_and_leaves_it_to_a_lead_until_its_end(world: DeskWorld) -> None:
    post(world)
    world.decide("ann")
    word = world.last("resolutions")
    assert (word["version"], word["source"], word["final"]) == (2, "review", False)
    assert not world.said["actions"]
    world.wait(2 * DAY)
    word = world.last("resolutions")
    assert (word["version"], word["source"], word["final"]) == (3, "review", True)
    assert not world.said["actions"]


def test_disagreeing_within_the_window_rolls_back_then_executes(world: DeskWorld) -> None:
    post(world)
    world.decide("ann", "reject")
    assert actions(world) == [("p1/1/roll_back", "publish"), ("p1/2/execute", "remove")]
    assert world.last("resolutions")["source"] == "override"


def test_the_window_closes_after_exactly_its_time_and_a_late_verdict_is_refused(world: DeskWorld) -> None:
    post(world)
    world.wait(DAY - 10 * 60 * 1_000_000)
    lease = world.claim("ann")
    world.wait(10 * 60 * 1_000_000 - 1)
    assert len(world.said["resolutions"]) == 1
    world.wait(SECOND)
    word = world.last("resolutions")
    assert (word["version"], word["source"], word["final"], word["outcome"]) == (2, "window", True, "publish")
    assert world.decide("ann", "reject", claimed=lease)["code"] == "already-decided"
    given = {"payload_hash": "hash of p1", "verdict": "reject", "reason_code": "other", "reason_text": "late"}
    assert world.command("override", "lee", task_id="p1", **given)["code"] == "window-closed"
    assert not world.said["actions"]


# Audits and gold


def test_an_audit_is_blind_and_only_measures_where_it_agrees(world: DeskWorld) -> None:
    audit(world)
    assert world.task("a1").blind
    lease = world.claim("ann")
    assert world.decide("ann", "approve", claimed=lease)["code"] == "unknown-verdict"
    world.decide("ann", "choose", claimed=lease, outcome="approve")
    outcome = world.last("reviews.outcomes")
    assert (outcome["kind"], outcome["audit"], outcome["overridden"], outcome["resolves"]) == (
        "audit",
        True,
        False,
        False,
    )
    assert outcome["propensity"] == 0.05
    assert not world.said["actions"]


def test_an_audit_that_disagrees_in_time_is_an_override(world: DeskWorld) -> None:
    audit(world)
    world.decide("ann", "choose", outcome="reject")
    assert actions(world) == [("a1/1/roll_back", "approve"), ("a1/2/execute", "reject"), ("a1/2/notify", "reject")]


def test_an_audit_that_disagrees_too_late_is_measured_and_changes_nothing(world: DeskWorld) -> None:
    audit(world)
    world.wait(DAY)
    reply = world.decide("ann", "choose", outcome="reject")
    assert reply["accepted"]
    assert "2026-01-02T00:00:00Z" in reply["message"]
    assert world.last("reviews.outcomes")["overridden"]
    assert not world.said["actions"]


def test_a_gold_item_looks_like_any_task_and_resolves_nothing(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann")
    assert world.command("gold", "ann", task_id="d1", outcome="approve")["code"] == "not-lead"
    planted = world.command("gold", "lee", task_id="d1", outcome="approve")["task_id"]
    assert world.command("claim", "ann", task_id=planted)["code"] == "excluded"
    assert world.decide("bob", "reject")["message"] == "decided: reject", "as on any other task"
    assert world.task(planted).blind is False
    outcome = world.last("reviews.outcomes")
    assert (outcome["kind"], outcome["gold_outcome"], outcome["outcome"]) == ("gold", "approve", "reject")
    assert (outcome["resolves"], len(world.said["resolutions"])) == (False, 1)


# Four eyes


def quorum(world: DeskWorld) -> None:
    world.arrive("q1", reasons=("big",))
    assert world.task("q1").quorum == 2


def test_two_different_people_must_agree_before_it_holds(world: DeskWorld) -> None:
    quorum(world)
    world.decide("ann")
    assert not world.said["resolutions"]
    assert world.command("claim", "ann", task_id="q1")["code"] == "same-person"
    world.decide("bob")
    assert world.last("resolutions")["decided_by"] == ["ann", "bob"]
    assert [outcome["resolves"] for outcome in world.said["reviews.outcomes"]] == [False, True]


def test_where_two_disagree_a_lead_who_is_neither_decides(world: DeskWorld) -> None:
    quorum(world)
    world.decide("ann")
    world.decide("bob", "reject")
    assert not world.said["resolutions"]
    assert (world.last("alerts")["kind"], world.last("alerts")["to"]) == ("quorum_disagrees", ["lee", "lou"])
    assert world.command("claim", "cid", task_id="q1")["code"] == "not-lead"
    world.decide("lee", "reject")
    assert (world.last("resolutions")["outcome"], world.last("resolutions")["decided_by"]) == ("reject", ["lee"])


# Appeals


def test_an_appeal_is_decided_by_somebody_else_and_may_turn_the_outcome(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    world.wait(HOUR)
    assert world.command("appeal", "bob", task_id="d1")["code"] == "missing-reason"
    assert world.command("appeal", "bob", task_id="d1", reason_text="I have a second job")["accepted"]
    task = world.task("d1")
    assert (task.kind, task.round, task.statement, task.due_from) == ("appeal", 1, "I have a second job", world.now)
    assert world.command("claim", "ann", task_id="d1")["code"] == "same-person"
    world.decide("cid")
    changed = [action_id for action_id, _ in actions(world)][-3:]
    assert changed == ["d1/1/roll_back", "d1/2/execute", "d1/2/notify"]
    assert (world.last("resolutions")["version"], world.last("resolutions")["source"]) == (2, "appeal")


def test_an_appeal_that_changes_nothing_is_a_new_version_without_an_effect(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    before = actions(world)
    world.command("appeal", "bob", task_id="d1", reason_text="unfair")
    world.decide("cid", "reject")
    assert world.last("resolutions")["version"] == 2
    assert actions(world) == before


def test_what_is_rolled_back_is_the_version_that_was_carried_out_not_one_that_confirmed_it(world: DeskWorld) -> None:
    world.arrive("d1")
    world.decide("ann", "reject")
    world.set_policy(POLICY.replace("on_timeout: reject", "on_timeout: reject\n    appeals: {limit: 2}"))
    world.command("appeal", "lee", task_id="d1", reason_text="unfair")
    world.decide("bob", "reject")
    world.command("appeal", "lee", task_id="d1", reason_text="still unfair")
    world.decide("cid")
    assert [action_id for action_id, _ in actions(world)] == [
        "d1/1/execute",
        "d1/1/notify",
        "d1/1/roll_back",
        "d1/3/execute",
        "d1/3/notify",
    ]


def test_a_decision_that_took_effect_unseen_can_be_taken_over_and_appealed(world: DeskWorld) -> None:
    task = world.arrive("u1", topic="reviews.manual", route="auto", prediction="reject")
    assert (task.state, task.version) == ("done", 1)
    world.command("appeal", "bob", task_id="u1", reason_text="no person has looked at it")
    world.decide("ann", "choose", outcome="approve")
    assert actions(world) == [("u1/1/roll_back", "reject"), ("u1/2/execute", "approve")]


def test_a_repeated_decision_is_not_taken_twice(world: DeskWorld) -> None:
    world.arrive("d1")
    world.arrive("d1")
    world.decide("ann")
    world.arrive("d1")
    assert world.events("d1") == ["arrived", "repeated", "claimed", "resolved", "repeated"]
    assert len(world.said["resolutions"]) == 1


# Sync


def test_a_caller_who_gave_up_gets_the_safe_outcome_of_the_policy(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", priority="critical")
    assert world.command("expire", "the client", task_id="s1")["code"] == "ok"
    assert (world.last("resolutions")["outcome"], world.last("resolutions")["source"]) == ("reject", "timeout")
    assert world.last("resolutions")["decided_by"] == []
    assert not world.said["reviews.outcomes"]


def test_a_caller_who_said_for_how_long_it_waits_need_not_tell_that_it_has_left(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", priority="critical", caller_seconds=30.5)
    assert world.task("s1").is_urgent
    world.wait(30 * SECOND)
    assert not world.said["resolutions"]
    world.wait(SECOND)
    said = world.last("resolutions")
    assert (said["outcome"], said["source"], said["decided_by"]) == ("reject", "timeout", [])
    assert said["decided_at"] == world.task("s1").arrived_at + 31 * SECOND
    assert world.events("s1")[-1] == "timed_out"


def test_its_task_goes_to_the_leads_once_and_takes_nobody_s_time_any_more(world: DeskWorld) -> None:
    advice = {"domain": "advice", "queue": "advisers", "prediction": "hold"}
    world.arrive("s1", route="sync", priority="critical", caller_seconds=30, **advice)
    world.wait(30 * SECOND)
    task = world.task("s1")
    assert (task.caller_left, task.is_urgent, task.escalation, task.version) == (True, False, 1, 0)
    told = [alert for alert in world.said["alerts"] if alert["kind"] == "escalated"]
    assert len(told) == 1
    # The caller tells it itself a moment later, and again after a lead has handed the task back.
    assert world.command("expire", "the client", task_id="s1")["code"] == "escalated"
    lead = told[0]["to"][0]
    assert world.command("de_escalate", lead, task_id="s1", reason_text="for the team")["accepted"]
    assert not world.task("s1").is_urgent
    assert world.command("expire", "the client", task_id="s1")["code"] == "escalated"
    assert world.task("s1").escalation == 0
    assert [alert for alert in world.said["alerts"] if alert["kind"] == "escalated"] == told


def test_a_caller_who_waits_with_the_leads_and_leaves_is_on_record(world: DeskWorld) -> None:
    advice = {"domain": "advice", "queue": "advisers", "prediction": "hold"}
    world.arrive("s1", route="sync", priority="critical", caller_seconds=30, **advice)
    name = world.task("s1").assigned_to
    assert world.command("claim", name, task_id="s1")["accepted"]
    assert world.command("escalate", name, task_id="s1", epoch=1, reason_text="too hard")["accepted"]
    world.wait(30 * SECOND)
    assert world.events("s1")[-1] == "caller_left"
    assert world.task("s1").escalation == 1


def test_a_verdict_before_the_caller_leaves_counts_and_nothing_follows(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", priority="critical", caller_seconds=30)
    world.decide(world.task("s1").assigned_to)
    world.wait(60 * SECOND)
    assert all(said["source"] == "review" for said in world.said["resolutions"])
    assert "timed_out" not in world.events("s1")


def test_how_long_the_caller_of_an_async_review_waits_means_nothing(world: DeskWorld) -> None:
    world.arrive("d1", caller_seconds=1)
    world.wait(60 * SECOND)
    assert world.task("d1").version == 0


def test_or_it_goes_to_the_leads_and_nothing_takes_effect(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", priority="critical", domain="advice", queue="advisers", prediction="hold")
    reply = world.command("expire", "the client", task_id="s1")
    assert (reply["code"], reply["accepted"]) == ("escalated", True)
    assert not world.said["resolutions"]
    assert world.last("alerts")["kind"] == "escalated"


@pytest.mark.parametrize("actor", ["ann", "another", "desk", ""])
def test_only_the_caller_who_waits_can_give_up(world: DeskWorld, actor: str) -> None:
    world.arrive("s1", route="sync", priority="critical", caller="shop")
    reply = world.command("expire", actor, task_id="s1")
    assert (reply["accepted"], reply["code"]) == (False, "not-your-call")
    assert "shop waits for it" in reply["message"]
    assert (world.task("s1").version, world.said["resolutions"]) == (0, [])
    assert world.command("expire", "shop", task_id="s1")["accepted"]


def test_nobody_can_give_up_for_a_caller_who_was_not_named(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", priority="critical", caller="")
    for actor in ("ann", "the client", ""):
        assert world.command("expire", actor, task_id="s1")["code"] == "not-your-call"


def test_a_verdict_that_came_first_stands_when_the_caller_gives_up(world: DeskWorld) -> None:
    world.arrive("s1", route="sync", priority="critical")
    world.decide(world.task("s1").assigned_to)
    assert world.command("expire", "the client", task_id="s1")["code"] == "already-decided"
    assert len(world.said["resolutions"]) == 1


def test_nobody_can_give_up_on_what_nobody_waits_for(world: DeskWorld) -> None:
    world.arrive("d1")
    assert world.command("expire", "the client", task_id="d1")["code"] == "not-sync"
