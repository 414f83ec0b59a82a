"""From HTTP to the services and back: one handler for each address the simulator listens on."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol
from urllib.parse import unquote

from aiohttp import web

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.journal import Entry, Journal
from slurm_azure.simulator.refusal import Refusal

log = logging.getLogger(__name__)

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Service(Protocol):
    """Something that answers calls."""

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the call is not for this service; raises Refusal."""
        ...


def door(services: Sequence[Service], scheme: str, journal: Journal | None, clock: Clock) -> Handler:
    """A handler that offers each request to `services` in turn and writes it into `journal` (None = not recorded)."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        began = time.perf_counter()
        call = await _call(request, scheme)
        reply = _answer(call, services)
        if journal is not None:
            operation = call.operation or "Unknown"
            seconds = time.perf_counter() - began
            journal.record(Entry(clock.now(), call.method, call.path, operation, reply.status, seconds))
        return _response(reply)

    return handle


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
    except Refusal as refusal:
        return Reply(refusal.status, refusal.body(), refusal.headers)
    except Exception:
        log.exception("%s %s cannot be answered", call.method, call.path)
        return Reply(500, {"error": {"code": "InternalServerError", "message": "Encountered internal server error."}})
    return Reply(404, {"error": {"code": "NotFound", "message": f"Nothing is simulated at {call.path}."}})


def _response(reply: Reply) -> web.Response:
    if reply.raw is not None:
        body = reply.raw
    elif reply.body is None:
        return web.Response(status=reply.status, headers=reply.headers)
    else:
        body = json.dumps(reply.body, separators=(",", ":")).encode()
    return web.Response(status=reply.status, body=body, headers={"Content-Type": reply.content_type, **reply.headers})
