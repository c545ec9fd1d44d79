"""OpenID Connect: the authorization code flow with PKCE, and what an id token must be to count."""

import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
from authlib.common.security import is_secure_transport
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from interlock.api.access.identity import Identity, has_claim, identity_of
from interlock.api.problems import Problem
from interlock.errors import UsageError
from interlock.platform.settings import OidcSettings

# Signatures that only the provider can make; those with the client's secret (HS…) could be anybody's who knows it.
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")

# A person waits for it.
_TIMEOUT_SECONDS = 10.0

# Providers change addresses rarely, and keys without notice: an unknown key is looked up at once.
_DISCOVERY_SECONDS = 3600.0

# How far the clocks of provider and API may be apart.
_LEEWAY_SECONDS = 60

# RFC 7636 wants 43 characters or more; 256 bits of chance.
_CHANCE_BYTES = 32

Document = Mapping[str, Any]


class Attempt(NamedTuple):
    """A login under way, kept in a cookie of the browser that began it. `next`: where to go afterwards."""

    state: str
    nonce: str
    verifier: str
    next: str

    @classmethod
    def begin(cls, next_path: str) -> "Attempt":
        """A new one, which nobody can guess."""
        state, nonce, verifier = (secrets.token_urlsafe(_CHANCE_BYTES) for _ in range(3))
        return cls(state, nonce, verifier, next_path)


class OidcProvider:
    """The provider as a client sees it. Safe to share between threads."""

    def __init__(
        self, settings: OidcSettings, now: Callable[[], float], *, transport: httpx.BaseTransport | None = None
    ) -> None:
        """Raises UsageError for an issuer to which secrets would be sent in the clear."""
        if not is_secure_transport(settings.issuer):
            raise UsageError(f"INTERLOCK_API__OIDC__ISSUER: {settings.issuer} must begin with https://")
        self._settings = settings
        self._now = now
        self._http = httpx.Client(timeout=_TIMEOUT_SECONDS, transport=transport)
        self._lock = threading.Lock()
        self._discovered: tuple[Document, float] | None = None
        self._keys: KeySet | None = None

    def authorization_url(self, attempt: Attempt, redirect_uri: str) -> str:
        """Where the browser goes to log in. Raises Problem if the provider cannot be reached."""
        url: str = prepare_grant_uri(
            self._discovery()["authorization_endpoint"],
            client_id=self._settings.client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=self._settings.scopes,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=create_s256_code_challenge(attempt.verifier),
            code_challenge_method="S256",
        )
        return url

    def identity(self, code: str, attempt: Attempt, redirect_uri: str) -> Identity:
        """Who logged in, for the code that the browser brought back. Raises Problem."""
        tokens = self._tokens(code, attempt.verifier, redirect_uri)
        claims = self._verified(tokens, attempt.nonce)
        if not has_claim(claims, self._settings.roles_claim) or not has_claim(claims, self._settings.person_claim):
            claims = {**self._userinfo(tokens, claims["sub"]), **claims}
        return identity_of(claims, self._settings)

    def is_issuer(self, issuer: str | None) -> bool:
        """Whether a response that names its issuer (RFC 9207) comes from this provider."""
        return issuer is None or issuer == self._settings.issuer

    def close(self) -> None:
        self._http.close()

    def _tokens(self, code: str, verifier: str, redirect_uri: str) -> Document:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        discovery, secret = self._discovery(), self._settings.client_secret.get_secret_value()
        methods = discovery.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        auth: httpx.BasicAuth | None = None
        if secret and "client_secret_basic" in methods:
            # RFC 6749 2.3.1: both are encoded as in a form first.
            auth = httpx.BasicAuth(quote(self._settings.client_id, safe=""), quote(secret, safe=""))
        else:
            form["client_id"] = self._settings.client_id
            if secret:
                form["client_secret"] = secret
        return self._asked("POST", discovery["token_endpoint"], data=form, auth=auth)

    def _verified(self, tokens: Document, nonce: str) -> dict[str, Any]:
        """The claims of the id token: signed by the provider, for this client, now, and for this very login."""
        text, issuer, client = tokens.get("id_token"), self._settings.issuer, self._settings.client_id
        if not isinstance(text, str):
            raise _refused("it sent no id token")
        try:
            token = self._decoded(text)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": client}},
                {"nonce": nonce, "client_id": client, "access_token": tokens.get("access_token")},
            )
            claims.validate(now=int(self._now()), leeway=_LEEWAY_SECONDS)
        except (JoseError, ValueError, TypeError) as error:
            raise _refused(f"its id token does not count ({error})") from error
        return dict(claims)

    def _decoded(self, text: str) -> jwt.Token:
        supported = self._discovery().get("id_token_signing_alg_values_supported", ["RS256"])
        algorithms = [name for name in _ALGORITHMS if name in supported]
        try:
            return jwt.decode(text, self._key_set(), algorithms)
        except InvalidKeyIdError:
            return jwt.decode(text, self._key_set(again=True), algorithms)

    def _userinfo(self, tokens: Document, subject: str) -> Document:
        """What the provider says beside the id token; nothing if it has no such place."""
        endpoint = self._discovery().get("userinfo_endpoint")
        if not endpoint:
            return {}
        found = self._asked("GET", endpoint, headers={"Authorization": f"Bearer {tokens.get('access_token', '')}"})
        if found.get("sub") != subject:
            raise _refused("it describes another person than the id token")
        return found

    def _key_set(self, *, again: bool = False) -> KeySet:
        with self._lock:
            keys = self._keys
        if keys is None or again:
            keys = KeySet.import_key_set(self._asked("GET", self._discovery()["jwks_uri"]))  # type: ignore[arg-type]
            with self._lock:
                self._keys = keys
        return keys

    def _discovery(self) -> Document:
        with self._lock:
            if self._discovered is not None and self._now() < self._discovered[1] + _DISCOVERY_SECONDS:
                return self._discovered[0]
        issuer = self._settings.issuer
        document = self._asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        missing = [name for name in ("authorization_endpoint", "token_endpoint", "jwks_uri") if name not in document]
        if document.get("issuer") != issuer or missing:
            raise _unavailable(issuer, f"its discovery document names {document.get('issuer')!r} and lacks {missing}")
        with self._lock:
            self._discovered = (document, self._now())
        return document

    def _asked(self, method: str, url: str, **request: Any) -> Document:
        try:
            response = self._http.request(method, url, **request)
        except httpx.HTTPError as error:
            raise _unavailable(url, str(error) or type(error).__name__) from error
        try:
            document = response.json()
        except ValueError:
            document = None
        if not isinstance(document, dict) or response.status_code >= 500:
            raise _unavailable(url, f"it answers {response.status_code}")
        if response.is_error:
            raise _refused(f"{document.get('error')}: {document.get('error_description', '')}")
        return document


def _refused(reason: str) -> Problem:
    return Problem(401, "login-refused", f"the provider's answer is no login: {reason[:500]}")


def _unavailable(url: str, reason: str) -> Problem:
    return Problem(503, "login-unavailable", f"the OpenID provider at {url} does not answer as it should: {reason}")
