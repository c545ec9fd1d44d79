"""uvicorn for processes that are at rest most of the time."""

import asyncio
from contextlib import suppress
from types import FrameType

import uvicorn

# The header Date of answers is told anew so often.
_TICK_SECONDS = 1.0


class QuietServer(uvicorn.Server):
    """Waits for the signal to stop, for which uvicorn itself looks ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        # What uvicorn does at every tenth of its own ticks it does at those with the number 0.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told.wait()
