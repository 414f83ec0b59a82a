"""From HTTP to the services and back: one handler for each address the simulator listens on."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import unquote

from aiohttp import web

from slurm_azure.simulator.call import Call, Fate, Interrupted, Postponed, Reply
from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.journal import Entry, Journal
from slurm_azure.simulator.recording import Recording
from slurm_azure.simulator.refusal import Refusal

log = logging.getLogger(__name__)

_LOST = 600.0  # seconds: no client waits longer for an answer that will not come

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Service(Protocol):
    """Something that answers calls."""

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the call is not for this service; raises Refusal."""
        ...


def door(
    services: Sequence[Service],
    scheme: str,
    clock: Clock,
    journal: Journal | None = None,
    faults: Faults | None = None,
    recording: Recording | None = None,
) -> Handler:
    """A handler that offers each request to `services` in turn. It is counted in `journal` and written into `recording`, and
    `faults` decide what becomes of the answer; None = not."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        call = await _call(request, scheme)
        reply = await _answered(call, services, clock)
        if faults is not None:
            reply = faults.after(call, reply)
        _tell_real_time(reply, clock)
        if journal is not None:
            operation = call.operation or "Unknown"
            seconds = time.perf_counter() - began
            journal.record(Entry(clock.now(), call.method, call.path, operation, reply.status, seconds))
        if recording is not None:
            recording.add(call, reply)
        return await _sent(request, reply, clock)

    return handle


async def _answered(call: Call, services: Sequence[Service], clock: Clock) -> Reply:
    while True:
        try:
            return _answer(call, services)
        except Postponed as postponed:
            call.postponed = True
            await clock.sleep(postponed.seconds)
        except Interrupted as interrupted:
            return Reply(0, fate=interrupted.fate)


def _tell_real_time(reply: Reply, clock: Clock) -> None:
    """Clients wait in real time: their Retry-After is in real seconds, however fast the simulated world goes."""
    seconds = reply.headers.get("Retry-After", "")
    if seconds.isdigit():
        reply.headers["Retry-After"] = str(math.ceil(clock.real(int(seconds))))


async def _sent(request: web.BaseRequest, reply: Reply, clock: Clock) -> web.StreamResponse:
    if reply.delay:
        await clock.sleep(reply.delay)
    if reply.fate is Fate.LOST:
        await clock.sleep(_LOST)
    if reply.fate is not Fate.SENT and request.transport is not None:
        request.transport.abort()
    return _response(reply)


async def _call(request: web.BaseRequest, scheme: str) -> Call:
    host = request.host
    url = request.rel_url
    return Call(
        method=request.method,
        path=unquote(url.raw_path),
        query=dict(url.query),
        headers=request.headers,
        body=await request.read() if request.can_read_body else b"",
        base=f"{scheme}://{host}",
        host=host.rsplit(":", 1)[0].lower() if ":" in host else host.lower(),
        remote=request.remote or "",
    )


def _answer(call: Call, services: Sequence[Service]) -> Reply:
    try:
        for service in services:
            reply = service.answer(call)
            if reply is not None:
                return reply
    except (Interrupted, Postponed):
        raise
    except Refusal as refusal:
        return Reply(refusal.status, refusal.body(), refusal.headers)
    except Exception:
        log.exception("%s %s cannot be answered", call.method, call.path)
        return Reply(500, {"error": {"code": "InternalServerError", "message": "Encountered internal server error."}})
    return Reply(404, {"error": {"code": "NotFound", "message": f"Nothing is simulated at {call.path}."}})


def _response(reply: Reply) -> web.Response:
    if reply.status == 0:
        return web.Response(status=500)  # nobody reads it: the connection is gone
    if reply.raw is not None:
        body = reply.raw
    elif reply.body is None:
        return web.Response(status=reply.status, headers=reply.headers)
    else:
        body = json.dumps(reply.body, separators=(",", ":")).encode()
    return web.Response(status=reply.status, body=body, headers={"Content-Type": reply.content_type, **reply.headers})
