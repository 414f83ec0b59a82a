"""From HTTP to the services and back: one door for each address the simulator listens on."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import socket
import struct
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from slurm_azure.simulator.call import Answered, Call, Fate, Interrupted, Postponed, Reply
from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.journal import Entry, Journal
from slurm_azure.simulator.recording import Recorder
from slurm_azure.simulator.refusal import Refusal

log = logging.getLogger(__name__)

_LOST = 600.0  # real seconds: no client waits longer for an answer that will not come
_LARGEST = 4 << 20  # bytes of a request: Resource Manager takes 4 MB ("Azure subscription and service limits")
_RESET = struct.pack("ii", 1, 0)  # l_onoff, l_linger of SO_LINGER: close() sends RST and waits for nothing (socket(7))


class Service(Protocol):
    """Something that answers calls."""

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the call is not for this service; raises Refusal."""
        ...


class Door:
    """Offers each request to `services` in turn. It is counted in `journal` and told to `recorder`, and `faults` decide what
    becomes of the answer, which waits until what has happened is `settled`; None = not."""

    def __init__(
        self,
        services: Sequence[Service],
        scheme: str,
        clock: Clock,
        journal: Journal | None = None,
        faults: Faults | None = None,
        recorder: Recorder | None = None,
        settled: Callable[[bool], Awaitable[None]] | None = None,
    ) -> None:
        self._services = services
        self._scheme = scheme
        self._clock = clock
        self._journal = journal
        self._faults = faults
        self._recorder = recorder
        self._settled = settled
        self._postponed: set[asyncio.Task[Reply]] = set()

    def server(self) -> web.Server:
        """The HTTP server whose requests come here. When a client leaves, what it waited for is given up."""
        return web.Server(
            self.handle,
            request_factory=partial(_request, asyncio.get_running_loop()),
            handler_cancellation=True,
            access_log=None,
            logger=_Brief(log, {}),
        )

    async def close(self) -> None:
        """Give up what is still postponed."""
        for task in self._postponed:
            task.cancel()
        if self._postponed:
            await asyncio.wait(set(self._postponed))

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, or let its connection go."""
        began = time.perf_counter()
        try:
            body = await request.read() if request.can_read_body else b""
        except web.HTTPRequestEntityTooLarge:
            return _unread(_too_large())
        except (ConnectionError, HttpProcessingError, web.RequestPayloadError) as error:
            log.debug("a request from %s broke off: %s", request.remote, error)
            return _unread(Reply(400, raw=b"Bad Request", content_type="text/plain; charset=us-ascii"))
        call = _call(request, self._scheme, body)
        try:
            reply = self._noted(call, self._answer(call), began)
        except Postponed as postponed:
            reply = await self._postpone(call, postponed, began)
        if self._settled is not None:
            await self._settled(request.method not in ("GET", "HEAD"))
        return await self._send(request, reply)

    async def _postpone(self, call: Call, postponed: Postponed, began: float) -> Reply:
        """Answer later. The request is on its way: it has its effect even if nobody waits for the answer any more."""
        task = asyncio.get_running_loop().create_task(self._answer_later(call, postponed, began))
        self._postponed.add(task)
        task.add_done_callback(self._postponed.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            call.abandoned = True
            raise

    async def _answer_later(self, call: Call, postponed: Postponed, began: float) -> Reply:
        call.postponed = True
        while True:
            for hold in postponed.holds:
                await hold.wait()
            if postponed.seconds:
                await self._clock.sleep(postponed.seconds)
            try:
                return self._noted(call, self._answer(call), began)
            except Postponed as again:
                postponed = again

    def _answer(self, call: Call) -> Reply:
        try:
            for service in self._services:
                reply = service.answer(call)
                if reply is not None:
                    return reply
        except Postponed:
            raise
        except Interrupted as interrupted:
            return Reply(0, fate=interrupted.fate)
        except Answered as answered:
            return answered.reply
        except Refusal as refusal:
            return Reply(refusal.status, refusal.body(), refusal.headers)
        except Exception:
            log.exception("%s %s cannot be answered", call.method, call.path)
            return Reply(500, {"error": {"code": "InternalServerError", "message": "Encountered internal server error."}})
        return Reply(404, {"error": {"code": "NotFound", "message": f"Nothing is simulated at {call.path}."}})

    def _noted(self, call: Call, reply: Reply, began: float) -> Reply:
        """The answer as faults leave it, with its place in the journal."""
        if self._faults is not None:
            reply = self._faults.after(call, reply)
        _tell_real_time(reply, self._clock)
        if self._journal is not None:
            self._journal.record(_entry(call, reply, self._clock.now(), time.perf_counter() - began))
        if self._recorder is not None:
            self._recorder.add(call, reply)
        return reply

    async def _send(self, request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
        if reply.delay:
            await self._clock.sleep(reply.delay)
        if reply.fate is Fate.LOST:
            await asyncio.sleep(_LOST)
        if reply.fate is not Fate.SENT:
            _reset(request)
            return web.Response(status=500)  # nobody reads it: the connection is gone
        return _response(reply)


class _Brief(logging.LoggerAdapter[logging.Logger]):
    """What the HTTP library has to say of bytes that are no HTTP: a line, and no traceback, since it is the client's fault."""

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        if isinstance(exc_info, HttpProcessingError | web.RequestPayloadError):
            self.logger.info("%s: %s", str(msg) % args if args else msg, exc_info)
        else:
            self.logger.error(msg, *args, exc_info=exc_info, **kwargs)


def _request(loop: asyncio.AbstractEventLoop, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Any:
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST)


def _tell_real_time(reply: Reply, clock: Clock) -> None:
    """Clients wait in real time: their Retry-After is in real seconds, however fast the simulated world goes."""
    seconds = reply.headers.get("Retry-After", "")
    if seconds.isdigit():
        reply.headers["Retry-After"] = str(math.ceil(clock.real(int(seconds))))


def _entry(call: Call, reply: Reply, now: float, seconds: float) -> Entry:
    return Entry(
        now,
        call.method,
        call.path,
        call.operation or "Unknown",
        reply.status,
        seconds,
        vm=call.parameters.get("vmName", ""),
        fate="abandoned" if call.abandoned else reply.fate.value,
        faults=tuple(call.faults),
    )


def _reset(request: web.BaseRequest) -> None:
    """Reset the connection: the client sees RST, not an orderly end."""
    transport = request.transport
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _call(request: web.BaseRequest, scheme: str, body: bytes) -> Call:
    host = request.host
    url = request.rel_url
    return Call(
        method=request.method,
        path=_path(url.raw_path),
        query=dict(url.query),
        headers=request.headers,
        body=body,
        base=f"{scheme}://{host}",
        host=_name(host),
        remote=request.remote or "",
    )


def _name(host: str) -> str:
    """A Host header without its port, and an IPv6 address without its brackets."""
    name, _, rest = host[1:].partition("]") if host.startswith("[") else host.partition(":")
    return (host if rest and host.startswith("[") and not rest.startswith(":") else name).lower()


def _path(raw: str) -> str:
    """The path in plain characters, segment by segment: an escaped slash is part of a name, and stays %2F."""
    if "%" not in raw:
        return raw
    return "/".join(unquote(segment).replace("/", "%2F") for segment in raw.split("/"))


def _too_large() -> Reply:
    """Status as HTTP has it; code and words have no source."""
    message = f"The request content size exceeds the maximum size of {_LARGEST} bytes."
    named = {"x-ms-request-id": str(uuid.uuid4())}
    return Reply(413, {"error": {"code": "RequestContentTooLarge", "message": message}}, named)


def _unread(reply: Reply) -> web.Response:
    """The answer to a request whose body was not read to its end: the connection is good for nothing more."""
    response = _response(reply)
    response.force_close()
    return response


def _response(reply: Reply) -> web.Response:
    if reply.raw is not None:
        body = reply.raw
    elif reply.body is None:
        return web.Response(status=reply.status, headers=reply.headers)
    else:
        body = json.dumps(reply.body, separators=(",", ":")).encode()
    return web.Response(status=reply.status, body=body, headers={"Content-Type": reply.content_type, **reply.headers})
