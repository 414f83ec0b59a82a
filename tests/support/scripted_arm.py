"""A TLS server that gives the answers a test has written down, to the real SDK: for what Azure says once in a blue moon.

It knows nothing of Azure but the login that azure-identity does; whether answers are faithful is up to the test. What it was
asked is judged by Microsoft's OpenAPI files at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.contracts import ledger

TENANT = "99999999-8888-7777-6666-555555555555"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: JSON or bytes. `cut`: the connection ends instead; `short`: it ends in the middle of the body; `drip`:
    the body comes a byte every so many seconds, until the other side has had enough."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    short: bool = False
    drip: float = 0.0

    @property
    def content(self) -> bytes:
        """The body as sent."""
        if isinstance(self.body, bytes):
            return self.body
        return b"" if self.body is None else json.dumps(self.body).encode()


Script = Callable[[Asked], Answer]


def error(status: int, code: str, message: str = "words", **headers: str) -> Answer:
    """An error as Azure Resource Manager shapes it; `Retry_After="5"` becomes a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, {"error": {"code": code, "message": message}}, named)


class ScriptedArm:
    """`answer(...)` queues what comes next; `asked` has what was sent. An unexpected request gets a 418 that fails the test."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.logins: list[Asked] = []
        self.login: Script = lambda asked: Answer(200, {"token_type": "Bearer", "expires_in": 3600, "access_token": "a-token"})
        self.always: Script | None = None
        self.endpoint = ""
        self.ca_file = ""
        self.page = ledger.Page(os.environ.get("PYTEST_CURRENT_TEST", ""))
        self._queue: deque[Answer | Script] = deque()
        self._lock = threading.Lock()

    def answer(self, *answers: Answer | Script) -> None:
        """These come next, one for each request."""
        self._queue.extend(answers)

    def reply(self, asked: Asked) -> Answer:
        """What a request gets."""
        if f"/{TENANT}/" in asked.path:
            return self._log_in(asked)
        with self._lock:
            self.asked.append(asked)
            self.page.add(_exchange(asked), answers=False)
            found = self._queue.popleft() if self._queue else self.always
        if found is None:
            return error(418, "NotInTheScript", f"{asked.method} {asked.path}")
        return found if isinstance(found, Answer) else found(asked)

    def methods(self) -> list[str]:
        """The methods of all requests, in order."""
        return [asked.method for asked in self.asked]

    def _log_in(self, asked: Asked) -> Answer:
        if asked.path.endswith("/openid-configuration"):
            here = f"{self.endpoint}/{TENANT}"
            keys = {"authorization_endpoint": f"{here}/oauth2/v2.0/authorize", "token_endpoint": f"{here}/oauth2/v2.0/token"}
            return Answer(200, {"issuer": f"{here}/v2.0", **keys})
        self.logins.append(asked)
        return self.login(asked)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    arm: ScriptedArm

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, parts.path, parse_qs(parts.query), dict(self.headers), body)
        answer = self.arm.reply(asked)
        if answer.cut:
            self.close_connection = True
            return
        self.send_response(answer.status)
        headers = {"Content-Type": "application/json", **answer.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(answer.content) + (100 if answer.short else 0)))
        self.end_headers()
        if answer.drip:
            self._drip(answer)
            return
        self.wfile.write(answer.content)
        self.close_connection = self.close_connection or answer.short

    def _drip(self, answer: Answer) -> None:
        """Each byte is in time; the whole never is."""
        self.close_connection = True
        with contextlib.suppress(OSError):
            for byte in answer.content:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(answer.drip)

    do_GET = do_PUT = do_POST = do_DELETE = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on stderr."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


@contextmanager
def scripted_arm(folder: Path) -> Iterator[ScriptedArm]:
    """A running one; certificate and key go to `folder`."""
    arm = ScriptedArm()
    certificate, key = _certificate(folder)
    handler = type("Handler", (_Handler,), {"arm": arm})
    server = _Server(("127.0.0.1", 0), handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    arm.endpoint, arm.ca_file = f"https://127.0.0.1:{server.server_address[1]}", str(certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield arm
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    ledger.LEDGER.close(arm.page)


def _exchange(asked: Asked) -> dict[str, Any]:
    """What the judge sees: a request without an answer."""
    return {
        "operation": "",
        "method": asked.method,
        "path": unquote(asked.path),
        "query": {name: values[0] for name, values in asked.query.items()},
        "headers": asked.headers,
        "body": asked.json if asked.body else None,
    }


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "scripted")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "server.pem", folder / "server.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private
