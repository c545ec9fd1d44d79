"""Tokens: what counts, what does not, and how soon every process knows."""

import hashlib
from typing import Any

import pytest

from interlock.api.access.tokens import (
    DAY_SECONDS,
    TokenError,
    create_token,
    list_tokens,
    new_token,
    revoke_token,
    verified,
)
from interlock.errors import UsageError
from interlock.schemas import wire
from tests.interlock.api.access.access_world import World, bearer, code


def test_a_token_is_known_in_every_process_and_only_its_hash_is_stored(world: World) -> None:
    apis = [world.api(), world.api()]
    token = world.token("decisions:read")
    world.pass_time()
    for api in apis:
        assert api.browser.get("/needs/decisions:read", headers=bearer(token)).json() == "ann"
    prefix, token_id, secret = token.text.split("_", 2)
    assert (prefix, token_id) == ("ilk", token.record["id"])
    assert token.record["hash"] == hashlib.sha256(secret.encode()).hexdigest()
    (stored,) = world.broker.cluster.log("access", 0).read(0, "read_committed")
    assert secret.encode() not in (stored.value or b"")
    assert stored.key == f"token:{token_id}".encode()


def test_nobody_without_a_token_or_session_gets_in_and_the_answer_says_how(world: World) -> None:
    response = world.api().browser.get("/needs/decisions:read")
    assert code(response) == (401, "unauthenticated")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="interlock"'


@pytest.mark.parametrize("spoil", ["secret", "id", "prefix", "cut", "nothing", "no secret", "umlaut", "other id"])
def test_a_forged_token_is_not_known(world: World, spoil: str) -> None:
    api = world.api()
    token, other = world.token("decisions:read"), world.token("decisions:read")
    world.pass_time()
    token_id, secret = token.text.split("_", 2)[1:]
    forged = {
        "secret": f"ilk_{token_id}_{secret[:-1]}{'A' if secret[-1] != 'A' else 'B'}",
        "id": f"ilk_{'0' * 16}_{secret}",
        "prefix": f"ikl_{token_id}_{secret}",
        "cut": token.text[:-1],
        "nothing": "",
        "no secret": f"ilk_{token_id}_",
        "umlaut": f"ilk_{token_id}_ä",
        "other id": f"ilk_{other.record['id']}_{secret}",
    }[spoil]
    response = api.browser.get("/needs/decisions:read", headers=[(b"authorization", f"Bearer {forged}".encode())])
    assert code(response) == (401, "token-unknown")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_hash_is_no_token(world: World) -> None:
    api = world.api()
    token = world.token("decisions:read")
    world.pass_time()
    stolen = f"ilk_{token.record['id']}_{token.record['hash']}"
    assert code(api.browser.get("/v1/me", headers=bearer(stolen))) == (401, "token-unknown")


def test_an_expired_token_is_refused_by_name_and_one_without_an_end_is_not(world: World) -> None:
    api = world.api()
    short, endless = world.token("decisions:read", days=1), world.token("decisions:read", days=None)
    world.pass_time(DAY_SECONDS - 1)
    assert api.browser.get("/v1/me", headers=bearer(short)).status_code == 200
    world.pass_time(1)
    response = api.browser.get("/v1/me", headers=bearer(short))
    assert code(response) == (401, "token-expired")
    assert "'a script' has expired" in response.json()["detail"]
    world.pass_time(5_000 * DAY_SECONDS)
    assert api.browser.get("/v1/me", headers=bearer(endless)).status_code == 200


def test_a_revocation_counts_at_once_here_and_within_a_second_elsewhere(world: World) -> None:
    here, there = world.api(), world.api()
    token = world.token("decisions:read")
    world.pass_time()
    for api in (here, there):
        assert api.browser.get("/v1/me", headers=bearer(token)).status_code == 200
    revoke_token(here.table, token.record["id"], by="root", now=world.time)
    assert code(here.browser.get("/v1/me", headers=bearer(token))) == (401, "token-revoked")
    world.pass_time(0.9)
    assert code(there.browser.get("/v1/me", headers=bearer(token))) == (401, "token-revoked")
    assert code(world.api().browser.get("/v1/me", headers=bearer(token))) == (401, "token-revoked")


def test_why_a_token_ended_is_told_to_its_holder_only(world: World) -> None:
    api = world.api()
    token = world.token("decisions:read")
    world.pass_time()
    revoke_token(api.table, token.record["id"], by="root", now=world.time)
    with pytest.raises(TokenError, match="not known"):
        verified(api.table, f"ilk_{token.record['id']}_guess", world.time)


def test_a_second_revocation_changes_nothing_and_an_unknown_id_is_named(world: World) -> None:
    api = world.api()
    token = world.token("decisions:read")
    world.pass_time()
    first = revoke_token(api.table, token.record["id"], by="root", now=world.time)
    assert revoke_token(api.table, token.record["id"], by="ann", now=world.time + 9) == first
    with pytest.raises(TokenError, match="there is no token 'x'"):
        revoke_token(api.table, "x", by="root", now=world.time)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scopes": ()}, "needs a role or a scope"),
        ({"scopes": ("x",)}, "no scope 'x'"),
        ({"roles": ("boss",)}, "no role 'boss'"),
        ({"name": ""}, "the name of a token"),
        ({"person": "a\nb"}, "the person of a token"),
        ({"person": "x" * 201}, "the person of a token"),
        ({"days": 0}, "positive number of days"),
    ],
)
def test_a_token_that_makes_no_sense_is_not_made(fields: dict[str, Any], message: str) -> None:
    sensible: dict[str, Any] = {"name": "n", "person": "p", "scopes": ("tasks:read",), "created_by": "c", "now": 0.0}
    with pytest.raises(UsageError, match=message):
        new_token(**{**sensible, **fields})


def test_tokens_are_listed_with_the_ended_ones_the_oldest_first(world: World) -> None:
    made = []
    for _ in range(3):
        made.append(world.token("tasks:read").record["id"])
        world.pass_time(1)
    api = world.api()
    revoke_token(api.table, made[1], by="root", now=world.time)
    assert [record["id"] for record in list_tokens(api.table)] == made


def test_a_record_that_cannot_be_read_counts_as_revoked_and_damages_no_other(world: World) -> None:
    api = world.api()
    good, bad, foreign = (world.token("tasks:read") for _ in range(3))
    producer = world.broker.producer(None)
    value = wire.encode("Access", bad.record)
    producer.produce("access", value[:-3], f"token:{bad.record['id']}".encode())
    producer.produce("access", wire.encode("Access", good.record), f"token:{foreign.record['id']}".encode())
    producer.flush()
    world.pass_time()
    found = [api.browser.get("/v1/me", headers=bearer(token)).status_code for token in (good, bad, foreign)]
    assert found == [200, 401, 401]


def test_a_tombstone_is_the_end_of_a_token(world: World) -> None:
    api = world.api()
    token = world.token("tasks:read")
    producer = world.broker.producer(None)
    producer.produce("access", None, f"token:{token.record['id']}".encode())
    producer.flush()
    world.pass_time()
    assert code(api.browser.get("/v1/me", headers=bearer(token))) == (401, "token-unknown")


def test_a_token_outlives_compaction_and_restarts(world: World) -> None:
    token = create_token(world.broker, name="n", person="p", scopes=["tasks:read"], created_by="c", now=world.time)
    world.broker.compact("access")
    assert world.api().browser.get("/needs/tasks:read", headers=bearer(token)).json() == "p"
