# SPDX-License-Identifier: Apache-2.0
"""Blocking and asynchronous gRPC calls behind one interface, so that everything above them is written once.

What waits is a coroutine. With `Blocking` calls it never suspends, and `finish` runs it to its end in the caller's
thread.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ParamSpec, Protocol, TypeVar

import grpc

from vcf_client import fork

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

Options = Sequence[tuple[str, Any]]
Metadata = Sequence[tuple[str, str]]


class Calls(Protocol):
    """Tell what a client needs that can be waited for."""

    def channel(self, target: str, credentials: Any, options: Options) -> Any:
        """A channel to a gRPC target; plain without credentials. `SetupError` where gRPC does not work (`fork`)."""

    async def call(self, method: Any, request: Any, timeout_s: float, metadata: Metadata) -> Any:
        """The answer to a request; ``grpc.RpcError`` if there is none."""

    async def send(self, method: Any, request: Any, timeout_s: float, metadata: Metadata, wait_s: float) -> None:
        """Send a request whose answer matters little, and wait for it a moment. Never raises."""

    async def sleep(self, seconds: float) -> None:
        """Pause."""

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what takes long without holding up others."""

    async def meanwhile(
        self, waiting: Coroutine[Any, Any, R], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[R, T]:
        """Wait, and run beside it what takes long; both results. Errors of the waiting come first."""

    async def close(self, channel: Any) -> None:
        """Close a channel; calls in flight end with an error."""


class Blocking:
    """Calls that hold up their thread."""

    def __init__(self) -> None:
        self._sent: set[Any] = set()

    def channel(self, target: str, credentials: Any, options: Options) -> Any:
        fork.check()
        if credentials is None:
            return grpc.insecure_channel(target, options=options)
        return grpc.secure_channel(target, credentials, options=options)

    async def call(self, method: Any, request: Any, timeout_s: float, metadata: Metadata) -> Any:
        fork.check()
        return method(request, timeout=timeout_s, metadata=metadata)

    async def send(self, method: Any, request: Any, timeout_s: float, metadata: Metadata, wait_s: float) -> None:
        if not fork.survives():
            return
        with suppress(grpc.FutureTimeoutError, grpc.RpcError, grpc.FutureCancelledError):
            answer = method.future(request, timeout=timeout_s, metadata=metadata)
            self._sent.add(answer)  # one that nobody holds is cancelled
            answer.add_done_callback(self._sent.discard)
            if wait_s:
                answer.result(timeout=wait_s)

    async def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return function(*args, **kwargs)

    async def meanwhile(
        self, waiting: Coroutine[Any, Any, R], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[R, T]:
        with ThreadPoolExecutor(1) as beside:
            work = beside.submit(lambda: finish(self.work(function, *args, **kwargs)))
            return await waiting, work.result()

    async def close(self, channel: Any) -> None:
        if fork.survives():
            channel.close()


class Asynchronous:
    """Calls of the running event loop; work goes to its threads."""

    def __init__(self) -> None:
        self._sent: set[asyncio.Task[None]] = set()

    def channel(self, target: str, credentials: Any, options: Options) -> Any:
        fork.check()
        if credentials is None:
            return grpc.aio.insecure_channel(target, options=options)
        return grpc.aio.secure_channel(target, credentials, options=options)

    async def call(self, method: Any, request: Any, timeout_s: float, metadata: Metadata) -> Any:
        fork.check()
        return await method(request, timeout=timeout_s, metadata=metadata)

    async def send(self, method: Any, request: Any, timeout_s: float, metadata: Metadata, wait_s: float) -> None:
        if not fork.survives():
            return

        async def call_quietly() -> None:
            with suppress(grpc.RpcError):
                await self.call(method, request, timeout_s, metadata)

        task = asyncio.create_task(call_quietly())
        self._sent.add(task)  # the loop itself keeps only weak references
        task.add_done_callback(self._sent.discard)
        await asyncio.wait({task}, timeout=wait_s)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def work(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(function, *args, **kwargs)

    async def meanwhile(
        self, waiting: Coroutine[Any, Any, R], function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> tuple[R, T]:
        work = asyncio.create_task(self.work(function, *args, **kwargs))
        try:
            return await waiting, await work
        finally:
            work.cancel()

    async def close(self, channel: Any) -> None:
        if fork.survives():
            await channel.close(grace=None)


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine over `Blocking` calls; its value."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        coroutine.close()
    raise RuntimeError("a coroutine over blocking calls was suspended")
