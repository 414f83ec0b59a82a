"""What went through the doors, word by word: for checking it against Microsoft's documents, and for looking at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from slurm_azure.simulator.call import Call, Fate, Reply

_SECRET = frozenset({"client_secret", "client_assertion", "access_token", "adminPassword"})
_LEFT_OUT = "(left out)"
_SHOWN = ("if-match", "if-none-match", "content-type", "metadata", "user-agent")


class Recorder(Protocol):
    """Takes note of what goes through the doors."""

    def add(self, call: Call, reply: Reply) -> None:
        """A request and its answer, just before that is sent. Called in the event loop: it must not block."""
        ...

    def close(self) -> None:
        """Nothing comes any more."""
        ...


class Recording:
    """Writes one JSON line for each request that was answered. Tokens and secrets are left out.

    Each line is in the file before the answer is sent, so that a simulator that is killed leaves a whole record.
    """

    def __init__(self, file: Path) -> None:
        file.touch(mode=0o600)
        self._file = file.open("a", encoding="utf-8", buffering=1)

    def add(self, call: Call, reply: Reply) -> None:
        """Write down a request and its answer."""
        if not arrives(reply):
            return
        self._file.write(json.dumps(exchange(call, reply), separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


def arrives(reply: Reply) -> bool:
    """Whether the caller gets this answer at all."""
    return reply.fate is Fate.SENT and reply.status != 0


def exchange(call: Call, reply: Reply) -> dict[str, Any]:
    """One request with its answer. Bodies are JSON, or null where there is none or it is something else;
    `raw` is true where the answer is something else, `spoiled` where a fault has made it what no service would answer."""
    return {
        "operation": call.operation,
        "method": call.method,
        "path": call.path,
        "query": dict(call.query),
        "headers": {name: value for name, value in call.headers.items() if name.lower() in _SHOWN},
        "body": _asked(call.body),
        "status": reply.status,
        "reply_headers": dict(reply.headers),
        "reply": _answered(call, reply),
        "raw": reply.raw is not None,
        "spoiled": reply.spoiled,
    }


def _asked(body: bytes) -> Any:
    try:
        return _without_secrets(json.loads(body)) if body else None
    except (ValueError, RecursionError):
        return None


def _without_secrets(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _LEFT_OUT if key in _SECRET else _without_secrets(item) for key, item in value.items()}


def _answered(call: Call, reply: Reply) -> Any:
    body = reply.body
    if not isinstance(body, dict):
        return body
    hidden = {"value"} if call.path.lower().startswith("/secrets/") else _SECRET.intersection(body)
    return {key: _LEFT_OUT if key in hidden else item for key, item in body.items()} if hidden else body
