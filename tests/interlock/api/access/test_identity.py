"""Who somebody is by the claims of a provider."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from interlock.api.access.identity import identity_of
from interlock.api.problems import Problem
from interlock.errors import UsageError
from interlock.platform.settings import ApiSettings, OidcSettings
from tests.interlock.api.access.access_world import World


def settings(**fields: Any) -> OidcSettings:
    return OidcSettings.model_validate({"issuer": "https://id.example.com", "client_id": "interlock", **fields})


@pytest.mark.parametrize(
    ("claim", "claims", "roles"),
    [
        ("roles", {"roles": ["reviewer", "lead"]}, {"reviewer", "lead"}),
        ("roles", {"roles": "analyst"}, {"analyst"}),
        ("roles", {"roles": ["analyst", 7, None, "analyst"]}, {"analyst"}),
        ("realm_access.roles", {"realm_access": {"roles": ["admin"]}}, {"admin"}),
        ("https://example.com/roles", {"https://example.com/roles": ["admin"]}, {"admin"}),
    ],
)
def test_roles_are_found_where_providers_put_them(claim: str, claims: dict[str, Any], roles: set[str]) -> None:
    assert identity_of({"sub": "ann", **claims}, settings(roles_claim=claim)).roles == roles


def test_with_a_map_only_what_it_names_is_a_role() -> None:
    mapped = settings(roles_claim="groups", role_map={"loan-desk": "reviewer", "loan-leads": "lead"})
    with capture_logs() as logs:
        identity = identity_of({"sub": "ann", "groups": ["loan-desk", "admin"]}, mapped)
    assert identity.roles == {"reviewer"}
    assert [entry["roles"] for entry in logs] == [["admin"]]


def test_a_map_to_a_role_that_does_not_exist_is_refused_at_the_start(world: World) -> None:
    with pytest.raises(UsageError, match="no role 'boss'"):
        world.api(ApiSettings(oidc=settings(role_map={"x": "boss"})))


def test_a_provider_without_https_elsewhere_than_on_this_machine_is_refused_at_the_start(world: World) -> None:
    with pytest.raises(UsageError, match="must begin with https://"):
        world.api(ApiSettings(oidc=settings(issuer="http://id.example.com")))


@pytest.mark.parametrize("roles", [None, [], "", ["janitor"], {"reviewer": True}, 7, [["admin"]]])
def test_without_a_known_role_nobody_gets_in(roles: Any) -> None:
    with pytest.raises(Problem) as refused:
        identity_of({"sub": "ann", "roles": roles}, settings())
    assert (refused.value.status, refused.value.code) == (403, "no-role")


@pytest.mark.parametrize("person", [None, "", 7, ["ann"], "a\nb", "x" * 201])
def test_without_a_person_nobody_gets_in(person: Any) -> None:
    with pytest.raises(Problem) as refused:
        identity_of({"sub": person, "roles": ["admin"]}, settings())
    assert (refused.value.status, refused.value.code) == (403, "no-person")


def test_a_mail_address_that_is_not_verified_is_nobody() -> None:
    by_mail = settings(person_claim="email")
    claims = {"sub": "1", "email": "ann@example.com", "roles": ["admin"]}
    assert identity_of({**claims, "email_verified": True}, by_mail).person == "ann@example.com"
    with pytest.raises(Problem, match="not verified your mail address"):
        identity_of({**claims, "email_verified": False}, by_mail)


def test_a_person_without_a_name_is_called_by_their_id() -> None:
    assert identity_of({"sub": "ann", "name": "", "roles": ["admin"]}, settings()).name == "ann"
    assert identity_of({"sub": "ann", "name": "Ann Lee", "roles": ["admin"]}, settings()).name == "Ann Lee"
