"""What went through the doors, word by word: for checking it against Microsoft's documents, and for looking at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slurm_azure.simulator.call import Call, Fate, Reply

_SECRET = ("client_secret", "client_assertion", "access_token")
_SHOWN = ("if-match", "if-none-match", "content-type", "metadata", "user-agent")


class Recording:
    """Writes one JSON line for each request that was answered. Tokens and secrets are left out."""

    def __init__(self, file: Path) -> None:
        file.touch(mode=0o600)
        self._file = file.open("a", encoding="utf-8")

    def add(self, call: Call, reply: Reply) -> None:
        """Write down a request and its answer."""
        if reply.fate is not Fate.SENT or reply.status == 0:
            return
        self._file.write(json.dumps(exchange(call, reply), separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


def exchange(call: Call, reply: Reply) -> dict[str, Any]:
    """One request with its answer. Bodies are JSON, or null where there is none or it is something else."""
    return {
        "operation": call.operation,
        "method": call.method,
        "path": call.path,
        "query": dict(call.query),
        "headers": {name: value for name, value in call.headers.items() if name.lower() in _SHOWN},
        "body": _without_secrets(_json(call.body)),
        "status": reply.status,
        "reply_headers": dict(reply.headers),
        "reply": _without_secrets(reply.body),
    }


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict) and any(name in value for name in _SECRET):
        return {key: "(left out)" if key in _SECRET else item for key, item in value.items()}
    return value
