"""What a booting node talks to, scripted: metadata service and Key Vault."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Reply:
    """An HTTP reply: `body` is sent as JSON."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request as it came in, and when (time of day)."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    peer: str
    method: str = "GET"
    body: bytes = b""
    at: float = 0.0


class ScriptedServer(ThreadingHTTPServer):
    """Answers each path by its script, one reply after the other; the last one again and again. What was asked is kept."""

    daemon_threads = True

    def __init__(
        self,
        script: Mapping[str, Sequence[Reply]],
        address: tuple[str, int] = ("127.0.0.1", 0),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, _Handler)
        self._script = {path: list(replies) for path, replies in script.items()}
        self._lock = threading.Lock()
        self.asked: list[Asked] = []
        self.url = f"{'https' if tls else 'http'}://{self.server_address[0]!s}:{self.server_address[1]}"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()

    def say(self, path: str, *replies: Reply) -> None:
        """What that path answers from now on, to whom it begins with or to all."""
        with self._lock:
            self._script[path] = list(replies)

    def reply_to(self, asked: Asked) -> Reply:
        """The next reply of that path's script."""
        with self._lock:
            self.asked.append(asked)
            script = self._script.get(f"{asked.peer} {asked.path}") or self._script.get(asked.path) or [Reply(404)]
            return script.pop(0) if len(script) > 1 else script[0]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that does not trust our certificate hangs up: nothing to tell."""


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedServer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        query, headers = dict(parse_qsl(parts.query)), dict(self.headers)
        reply = self.server.reply_to(Asked(parts.path, query, headers, self.client_address[0], self.command, sent, time.time()))
        body = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_: Any) -> None:
        """Be quiet."""
