"""Executions as signed webhooks, as standardwebhooks.com describes them."""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx
from pydantic_core import to_json
from standardwebhooks import Webhook

from interlock.executors.execution import Execution
from interlock.streams.clock import Clock, SystemClock
from interlock.streams.dispatch.deliveries import PermanentError, RetryLater

# Client errors that are transient all the same: too slow, too early, too many.
_TRANSIENT_STATUSES = frozenset({408, 425, 429})

# The server error that says that the request was not handled.
_UNAVAILABLE = 503

# After these the receiver cannot have got the request; after any other it may have acted on it.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)

# Enough of a response to say in a dead letter why the receiver refused.
_QUOTED_BYTES = 500

# A receiver that asks for a longer pause is tried again after this.
_MAX_RETRY_AFTER_SECONDS = 3600.0

# What an id may hold as it stands in a header; everything else, the percent sign included, is percent-encoded.
_UNQUOTED = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"


class WebhookSender:
    """A handler for Executor: posts each execution to one address. Safe to share between threads.

    The receiver verifies `webhook-signature` with the shared secret, and drops a `webhook-id` that it knows: an
    execution is sent again when its answer got lost.
    """

    def __init__(
        self,
        url: str,
        secrets: Sequence[str],
        *,
        timeout_seconds: float = 10.0,
        clock: Clock | None = None,
        client: httpx.Client | None = None,
    ) -> None:
        """`secrets`: base64, with or without whsec_; the first is the present one, others sign as well while they are
        replaced. `timeout_seconds`: for each attempt. Raises ValueError for an invalid address or secret.
        """
        if not url.startswith(("http://", "https://")) or not httpx.URL(url).host:
            raise ValueError("not an address that begins with https:// or http://")
        if not secrets:
            raise ValueError("a webhook needs a secret")
        try:
            self._signers = [Webhook(secret) for secret in secrets]
        except Exception as error:  # binascii.Error, or the library's own for an empty one
            raise ValueError(f"not a webhook secret (base64, with or without whsec_): {error}") from error
        self._url = url
        self._timeout = timeout_seconds
        self._clock = clock or SystemClock()
        # A signed body goes to its receiver and nowhere else: redirects are not followed.
        self._client = client or httpx.Client(timeout=timeout_seconds, follow_redirects=False)

    def __call__(self, execution: Execution) -> None:
        """Returns when the receiver has taken it (2xx). Raises PermanentError or RetryLater."""
        try:
            body = body_of(execution)
            headers = self._headers(execution, body)
        except Exception as error:  # nothing but the execution decides about these: no other attempt would end better
            raise PermanentError(f"no request can be made of it: {error!r}", "malformed-body") from error
        deadline = time.monotonic() + self._timeout
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers) as response:
                excerpt = _read_beginning(response, deadline)
        except httpx.HTTPError as error:
            in_doubt = not isinstance(error, _NOT_SENT)
            raise RetryLater(f"{type(error).__name__}: {error}", in_doubt=in_doubt) from error
        if response.is_success:
            return
        reason = f"the receiver answered {response.status_code} {excerpt!r}"
        if response.is_server_error or response.status_code in _TRANSIENT_STATUSES:
            in_doubt = response.is_server_error and response.status_code != _UNAVAILABLE
            raise RetryLater(reason, self._retry_after(response), in_doubt=in_doubt)
        raise PermanentError(reason, f"http-{response.status_code}")

    def close(self) -> None:
        """Closes connections."""
        self._client.close()

    def _headers(self, execution: Execution, body: str) -> dict[str, str]:
        message_id = quote(execution.action_id, safe=_UNQUOTED)
        now = datetime.fromtimestamp(self._clock.now() / 1e6, UTC)
        return {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signer.sign(message_id, now, body) for signer in self._signers),
        }

    def _retry_after(self, response: httpx.Response) -> float:
        """Seconds, from either form of the header; 0 without or with nonsense."""
        text = response.headers.get("retry-after", "")
        try:
            seconds = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - self._now()
        except ValueError:
            return 0.0
        return min(max(seconds, 0.0), _MAX_RETRY_AFTER_SECONDS)

    def _now(self) -> float:
        return self._clock.now() / 1e6


def body_of(execution: Execution) -> str:
    """JSON, the same at every attempt; what JSON cannot say of a number (NaN) is null."""
    payload = {"type": f"decision.{execution.kind}", "timestamp": execution.at, "data": asdict(execution)}
    return to_json(payload, inf_nan_mode="null").decode()


def _read_beginning(response: httpx.Response, deadline: float) -> str:
    """The first bytes of the response. Reading ends at `deadline`, however slowly the rest comes. Errors in the rest
    change nothing: the status is known."""
    body = b""
    with suppress(httpx.HTTPError):
        for chunk in response.iter_raw():
            body += chunk
            if len(body) >= _QUOTED_BYTES or time.monotonic() > deadline:
                break
    return body[:_QUOTED_BYTES].decode(errors="replace")
