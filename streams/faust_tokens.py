"""Tokens for aiokafka by the grant `client_credentials`: what librdkafka does with `sasl.oauthbearer.method=oidc`."""

import asyncio
import ssl
import threading
from collections.abc import Mapping

from aiokafka.abc import AbstractTokenProvider
from authlib.integrations.httpx_client import OAuth2Client

# A token is fetched anew so long before it ends: longer than a connection takes to be made.
_EXPIRY_SECONDS = 60

# A server of tokens answers within a second; brokers wait for a client longer than this.
_REQUEST_SECONDS = 20.0


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """One token for all connections, until it ends."""

    def __init__(
        self,
        url: str,
        client_id: str,
        secret: str,
        *,
        scope: str | None,
        extensions: Mapping[str, str],
        authorities: ssl.SSLContext,
    ) -> None:
        self._url = url
        self._extensions = extensions
        self._client = OAuth2Client(client_id, secret, scope=scope, verify=authorities, timeout=_REQUEST_SECONDS)
        # Consumer and producer run in loops of their own.
        self._lock = threading.Lock()

    async def token(self) -> str:
        """Raises what says why the server gives none."""
        return await asyncio.to_thread(self._token)

    def extensions(self) -> Mapping[str, str]:
        """What is sent to the broker beside the token."""
        return self._extensions

    def _token(self) -> str:
        with self._lock:
            if self._client.token is None or self._client.token.is_expired(leeway=_EXPIRY_SECONDS):
                self._client.fetch_token(self._url, grant_type="client_credentials")
            return str(self._client.token["access_token"])
