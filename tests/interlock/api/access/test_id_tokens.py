"""Id tokens that no honest provider sends: each is refused. What a real one sends stands in `test_oidc`."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from interlock.api.access.oidc import Attempt, OidcProvider
from interlock.api.problems import Problem
from interlock.platform.settings import OidcSettings

ISSUER, CLIENT, SECRET = "https://id.example.com", "interlock", "0123456789abcdef" * 2
NOW = 1_767_225_600
ATTEMPT = Attempt("state", "nonce", "verifier", "/")
OWN_KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, auto_kid=False)
FOREIGN_KEY = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"}, auto_kid=False)
NEW_KEY = RSAKey.generate_key(2048, {"kid": "2", "use": "sig"}, auto_kid=False)
CLAIMS: dict[str, Any] = {
    **{"iss": ISSUER, "aud": CLIENT, "sub": "ann", "nonce": "nonce", "iat": NOW, "exp": NOW + 300},
    "roles": ["reviewer"],
}


class Liar:
    """Answers as a provider would, with whatever id token it is told to send."""

    def __init__(self) -> None:
        self.id_token: Any = None
        self.keys = [OWN_KEY]
        self.discovery: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/keys",
            "userinfo_endpoint": f"{ISSUER}/me",
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        }
        self.userinfo: dict[str, Any] = {"sub": "ann", "roles": ["admin"]}
        self.key_requests = 0
        self.provider = OidcProvider(
            OidcSettings.model_validate({"issuer": ISSUER, "client_id": CLIENT, "client_secret": SECRET}),
            lambda: float(NOW),
            transport=httpx.MockTransport(self._answer),
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        match request.url.path:
            case "/.well-known/openid-configuration":
                return httpx.Response(200, json=self.discovery)
            case "/keys":
                self.key_requests += 1
                return httpx.Response(200, json={"keys": [key.as_dict(private=False) for key in self.keys]})
            case "/me":
                return httpx.Response(200, json=self.userinfo)
        return httpx.Response(200, json={"access_token": "a", "token_type": "Bearer", "id_token": self.id_token})

    def login(self, id_token: Any) -> Any:
        self.id_token = id_token
        return self.provider.identity("code", ATTEMPT, "https://console.example.com/auth/callback")


@pytest.fixture
def liar() -> Iterator[Liar]:
    made = Liar()
    yield made
    made.provider.close()


def signed(key: Any = OWN_KEY, algorithm: str = "RS256", kid: str = "1", **changed: Any) -> str:
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": kid}, claims, key, [algorithm])


def without_signature() -> str:
    parts = [json.dumps(part).encode() for part in ({"alg": "none"}, CLAIMS)]
    import base64

    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."


def changed_afterwards() -> str:
    head, _, signature = signed().split(".")
    return f"{head}.{signed(roles=['admin']).split('.')[1]}.{signature}"


def test_a_good_one_is_a_person(liar: Liar) -> None:
    identity = liar.login(signed())
    assert (identity.person, identity.roles) == ("ann", {"reviewer"})


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: signed(FOREIGN_KEY), id="signed with another key"),
        pytest.param(lambda: signed(OctKey.import_key(SECRET), "HS256"), id="signed with the client's secret"),
        pytest.param(
            lambda: signed(OctKey.import_key(OWN_KEY.as_pem(private=False).replace(b"-", b"_")), "HS256"),
            id="signed with the public key",
        ),
        pytest.param(without_signature, id="not signed"),
        pytest.param(changed_afterwards, id="changed afterwards"),
        pytest.param(lambda: signed(iss="https://evil.example"), id="of another issuer"),
        pytest.param(lambda: signed(iss=None), id="without issuer"),
        pytest.param(lambda: signed(aud="other"), id="for another client"),
        pytest.param(lambda: signed(aud=[CLIENT, "other"], azp="other"), id="given to another client"),
        pytest.param(lambda: signed(aud=[CLIENT, "other"]), id="for several clients, given to nobody"),
        pytest.param(lambda: signed(aud=None), id="for nobody"),
        pytest.param(lambda: signed(exp=NOW - 120), id="expired"),
        pytest.param(lambda: signed(exp=None), id="without end"),
        pytest.param(lambda: signed(exp="later"), id="with an end that is no time"),
        pytest.param(lambda: signed(iat=NOW + 3_600), id="of the future"),
        pytest.param(lambda: signed(nonce="other"), id="of another login"),
        pytest.param(lambda: signed(nonce=None), id="of no login"),
        pytest.param(lambda: signed(at_hash="AAAA"), id="of another access token"),
        pytest.param(lambda: signed(sub=None), id="of nobody"),
        pytest.param(lambda: "no token", id="no token"),
        pytest.param(lambda: None, id="none at all"),
        pytest.param(lambda: 7, id="a number"),
    ],
)
def test_a_bad_one_is_refused(liar: Liar, make: Callable[[], Any]) -> None:
    with pytest.raises(Problem) as refused:
        liar.login(make())
    assert (refused.value.status, refused.value.code) == (401, "login-refused")


def test_a_key_that_is_new_is_looked_up_at_once_and_others_are_not(liar: Liar) -> None:
    liar.login(signed())
    liar.login(signed())
    assert liar.key_requests == 1
    liar.keys = [OWN_KEY, NEW_KEY]
    assert liar.login(signed(NEW_KEY, kid="2")).person == "ann"
    assert liar.key_requests == 2


def test_what_is_said_elsewhere_must_be_about_the_same_person(liar: Liar) -> None:
    assert liar.login(signed(roles=None)).roles == {"admin"}
    liar.userinfo["sub"] = "bob"
    with pytest.raises(Problem, match="another person"):
        liar.login(signed(roles=None))


@pytest.mark.parametrize("change", [{"issuer": "https://evil.example"}, {"issuer": None}, {"token_endpoint": None}])
def test_a_discovery_document_of_somebody_else_or_without_addresses_is_refused(
    liar: Liar, change: dict[str, Any]
) -> None:
    changed = {**liar.discovery, **change}
    liar.discovery = {name: value for name, value in changed.items() if value is not None}
    with pytest.raises(Problem) as refused:
        liar.provider.authorization_url(ATTEMPT, "https://console.example.com/auth/callback")
    assert (refused.value.status, refused.value.code) == (503, "login-unavailable")
