"""The same calls for asyncio. Each waits on a thread, where the interpreter's lock is released, and never in the loop.

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
"""Threads that wait for calls of one host; they only wait, so there may be many."""


class _Wrapper:
    _inner: Any
    _threads: ThreadPoolExecutor

    def __getattr__(self, name: str) -> Callable[..., Any]:
        call = getattr(self._inner, name)

        @functools.wraps(call)
        async def on_a_thread(*arguments: Any, **named: Any) -> Any:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, functools.partial(call, *arguments, **named))

        return on_a_thread


class AsyncHost(_Wrapper):
    """`Host`, with every call to be awaited: `async with await AsyncHost.open(data=...) as host`."""

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
        """Lays jobs down and frees the host."""
        # Not on our own threads: they may all be waiting for what ends only now.
        await asyncio.to_thread(self._inner.close)
        self._threads.shutdown(wait=False)

    async def __aenter__(self) -> AsyncHost:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def tenant(self, name: str | None = None) -> AsyncTenant:
        """A tenant's view."""
        return AsyncTenant(self._inner.tenant(name), self._threads)


class AsyncTenant(_Wrapper):
    """`Tenant`, with every call to be awaited."""

    def __init__(self, tenant: Tenant, threads: ThreadPoolExecutor) -> None:
        self._inner = tenant
        self._threads = threads

    async def follow(self, job: str, every_ms: int = 200) -> AsyncIterator[doc.Job]:
        """The job again and again as it moves, up to its end or pause."""
        while True:
            seen = await self.wait_for_job(job, every_ms)
            yield seen
            if seen.status != doc.JobStatus.ACTIVE:
                return
