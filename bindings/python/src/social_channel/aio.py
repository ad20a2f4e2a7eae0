"""The same calls for asyncio. Each runs on a thread, where the GIL is released, and never blocks the event loop.

Cancelling a task stops waiting; what the library was asked to do goes on.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import documents as doc
from .host import Host, Tenant

CALLS_AT_ONCE = 64
"""The number of threads for calls of one host; they mostly wait, so there may be many."""


class _Wrapper:
    _inner: Any
    _threads: ThreadPoolExecutor

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # A copy accesses this attribute before it is set.
        if name.startswith("_"):
            raise AttributeError(name)
        call = getattr(self._inner, name)

        @functools.wraps(call)
        async def on_a_thread(*arguments: Any, **named: Any) -> Any:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, functools.partial(call, *arguments, **named))

        return on_a_thread


class AsyncHost(_Wrapper):
    """`Host` with awaitable calls: `async with await AsyncHost.open(data=...) as host`."""

    def __init__(self, host: Host, threads: ThreadPoolExecutor) -> None:
        self._inner = host
        self._threads = threads

    @classmethod
    async def open(cls, data: Any = None, **config: Any) -> AsyncHost:
        """Opens a host."""
        threads = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="social-channel")
        opening = functools.partial(Host, data, **config)
        return cls(await asyncio.get_running_loop().run_in_executor(threads, opening), threads)

    async def close(self) -> None:
        """Releases jobs and frees the host."""
        # Not on this host's own threads: they may all be waiting for calls that end only now.
        await asyncio.to_thread(self._inner.close)
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> AsyncHost:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def tenant(self, name: str | None = None) -> AsyncTenant:
        """The view of one tenant."""
        return AsyncTenant(self._inner.tenant(name), self._threads)


class AsyncTenant(_Wrapper):
    """`Tenant` with awaitable calls."""

    def __init__(self, tenant: Tenant, threads: ThreadPoolExecutor) -> None:
        self._inner = tenant
        self._threads = threads

    async def follow_events(self, after: int | None = None, every_ms: float = 10_000) -> AsyncIterator[doc.Event]:
        """Yields every event after the number `after`, and waits for more."""
        while True:
            # Not for ever: the thread of a task that was cancelled is free again after this time.
            page = await self.events(after, wait_ms=every_ms)
            for event in page.events:
                yield event
            after = page.next

    async def follow(self, job: str, every_ms: float = 200) -> AsyncIterator[doc.Job]:
        """Yields the job after every change, until it ends or pauses."""
        while True:
            seen = await self.wait_for_job(job, every_ms)
            yield seen
            if seen.status != doc.JobStatus.ACTIVE:
                return
