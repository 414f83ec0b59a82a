"""The daemon's HTTP end: /metrics for Prometheus, /healthz for whoever watches the watcher.

One connection, one request, one short-lived thread: no keep-alive, so that a scraper that leaves without a word holds
nothing. The number of connections and the life of each are bounded: a slow or silent client costs the daemon one thread
for a few seconds and never more.
"""

from __future__ import annotations

import io
import logging
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from slurm_azure.errors import PreflightError
from slurm_azure.web.metrics import Metrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

Health = Callable[[], tuple[bool, str]]

CONNECTIONS = 16  # at once; further ones are closed unanswered
LIFETIME = 10.0  # seconds a connection may last in all
SILENCE = 5.0  # seconds a client may be silent
_TEXT = ("Content-Type", "text/plain; charset=utf-8")


class MetricsServer:
    """Serves from its construction until close(). `listen` is ADDRESS:PORT (port 0 = any free one).

    `health` tells whether the daemon is well, and one line about it. Raises PreflightError if it cannot listen.
    """

    def __init__(self, listen: str, metrics: Metrics, health: Health, lifetime: float = LIFETIME) -> None:
        self._server = _listen(listen, lifetime)
        self._server.set_app(_Application(metrics, health))
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens: address and port."""
        host, port = self._server.server_address[:2]
        return str(host), int(port)

    def close(self) -> None:
        """Stop listening and end every connection; afterwards no thread of it is left."""
        self._server.shutdown()
        self._thread.join()
        self._server.hang_up(older_than=0.0)
        self._server.server_close()


def _listen(listen: str, lifetime: float) -> _Server:
    host, _, port = listen.rpartition(":")
    try:
        if int(port) > 65535:  # getaddrinfo would take it modulo 65536
            raise ValueError("a port is at most 65535")
        family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM)[0]
        return _Server(family, address, lifetime)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise PreflightError(
            f"metrics.listen {listen}: cannot listen there: {cause}; choose another address or port, or off"
        ) from None


class _Application:
    """WSGI: two paths, everything else is not found."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics = make_wsgi_app(metrics.registry)
        self._health = health

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return self._scrape(environ, start)
        if path == "/healthz":
            ok, line = self._ask()
            return _answer(start, "200 OK" if ok else "503 Service Unavailable", line)
        return _answer(start, "404 Not Found", "here are /metrics and /healthz")

    def _scrape(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        try:
            return self._metrics(environ, start)  # type: ignore[no-any-return]
        except Exception:  # wsgiref would write a traceback to stderr, past our log
            log.exception("the metrics cannot be rendered")
            return _answer(start, "500 Internal Server Error", "the metrics cannot be rendered; see the daemon's log")

    def _ask(self) -> tuple[bool, str]:
        try:
            return self._health()
        except Exception as error:  # whatever it is, the one who asks shall hear "not well" and not silence
            log.exception("the health check itself failed")
            return False, f"the health check itself failed: {type(error).__name__}"


def _answer(start: StartResponse, status: str, line: str) -> list[bytes]:
    body = (line.replace("\n", " ") + "\n").encode()
    start(status, [_TEXT, ("Content-Length", str(len(body)))])
    return [body]


class _Handler(WSGIRequestHandler):
    """One request; what a client does wrong is its own business and no line in our log."""

    timeout = SILENCE

    def handle(self) -> None:
        try:
            super().handle()
        except OSError as error:
            log.debug("metrics client %s left: %s", self.client_address[0], error)

    def get_stderr(self) -> io.StringIO:
        """Where wsgiref writes tracebacks of clients that left; our own failures are logged where they happen."""
        return io.StringIO()

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("metrics client %s: %s", self.client_address[0], format % args)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread a connection, within bounds."""

    daemon_threads = False  # so that server_close() waits for them
    allow_reuse_address = True
    request_queue_size = CONNECTIONS

    def __init__(self, family: socket.AddressFamily, address: Any, lifetime: float) -> None:
        self.address_family = family
        self._lifetime = lifetime
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """As HTTPServer does, but without asking DNS for our own name: that may take half a minute."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = (str(part) for part in self.server_address[:2])  # type: ignore[assignment]
        self.setup_environ()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        with self._lock:
            if len(self._open) >= CONNECTIONS:
                return False
            self._open[request] = time.monotonic()
        return True

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called twice a second by serve_forever."""
        super().service_actions()
        self.hang_up(older_than=self._lifetime)

    def hang_up(self, older_than: float) -> None:
        """End connections that have lasted for longer (seconds): their threads wake up and go."""
        now = time.monotonic()
        with self._lock:
            for request, since in self._open.items():
                if now - since >= older_than:
                    try:
                        request.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass  # it is gone already

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.exception("a metrics request failed")
