"""The client library for asyncio."""

import asyncio
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Self

from interlock.client.client import DELIVERY_SECONDS, Client
from interlock.client.pending import GRACE_SECONDS
from interlock.client.result import DecisionResult
from interlock.streams.ports import Broker, Headers

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client as ClickHouseClient

    from interlock.encryption.fields import Encryption
    from interlock.schemas.models import Decision
    from interlock.schemas.signed_commands import Signer


class AsyncClient:
    """The same for asyncio: `await client.submit(decision)` returns when Kafka has stored it."""

    def __init__(
        self,
        bootstrap_servers: str | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        delivery_seconds: float = DELIVERY_SECONDS,
        grace_seconds: float = GRACE_SECONDS,
        clickhouse: "ClickHouseClient | str | None" = None,
        broker: Broker | None = None,
        signer: "Signer | None" = None,
        caller: str | None = None,
        encrypt: "Encryption | None" = None,
    ) -> None:
        """As for Client."""
        self._client = Client(
            bootstrap_servers,
            properties=properties,
            delivery_seconds=delivery_seconds,
            grace_seconds=grace_seconds,
            clickhouse=clickhouse,
            broker=broker,
            signer=signer,
            caller=caller,
            encrypt=encrypt,
        )

    async def submit(self, decision: "Decision", headers: Headers | None = None) -> None:
        """Raises DeliveryError."""
        await self.submit_many([decision], headers)

    async def submit_many(self, decisions: "Iterable[Decision]", headers: Headers | None = None) -> int:
        """Raises DeliveryError. Waiting happens in a thread: the event loop stays free."""
        return await asyncio.to_thread(self._client.submit_many, list(decisions), headers)

    async def decide(
        self,
        decision: "Decision",
        timeout: float,
        headers: Headers | None = None,
        *,
        wait: bool = False,
        final_within: float | None = None,
    ) -> DecisionResult:
        """As for Client. No thread is blocked meanwhile, however many callers wait."""
        future = await asyncio.to_thread(self._client.decide_future, decision, timeout, headers, wait=wait)
        result = await asyncio.wrap_future(future)
        if final_within is None or result.final:
            return result
        return await self.wait(decision.decision_id, final_within, final=True)

    async def wait(
        self, decision_id: str, timeout: float, *, after_version: int = 0, final: bool = False
    ) -> DecisionResult:
        """As for Client."""
        future = await asyncio.to_thread(
            self._client.resolution_future, decision_id, timeout, after_version=after_version, final=final
        )
        return await asyncio.wrap_future(future)

    async def resolution(self, decision_id: str) -> DecisionResult | None:
        """As for Client, in a thread."""
        return await asyncio.to_thread(self._client.resolution, decision_id)

    async def close(self) -> None:
        """Waits for deliveries under way."""
        await asyncio.to_thread(self._client.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
