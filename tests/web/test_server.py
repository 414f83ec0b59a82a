"""The HTTP end, over real connections to loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator

import pytest
from prometheus_client import Metric
from prometheus_client.registry import Collector

from slurm_azure.errors import PreflightError
from slurm_azure.web import server as module
from slurm_azure.web.metrics import Metrics
from slurm_azure.web.server import MetricsServer

Serve = Callable[..., MetricsServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Servers on free ports, closed at the end."""
    with contextlib.ExitStack() as stack:

        def make(
            health: module.Health = lambda: (True, "well"), lifetime: float = module.LIFETIME, listen: str = "127.0.0.1:0"
        ) -> MetricsServer:
            server = MetricsServer(listen, Metrics("1", ["hb"]), health, lifetime)
            stack.callback(server.close)
            return server

        yield make


def get(server: MetricsServer, path: str, **headers: str) -> tuple[int, str, str]:
    """Status, content type and body of one GET."""
    host, port = server.address
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def connect(server: MetricsServer) -> socket.socket:
    """A connection that says nothing yet."""
    return socket.create_connection(server.address, timeout=10)


def test_metrics_in_prometheus_text(serve: Serve) -> None:
    """/metrics is the registry in the format and with the content type that Prometheus reads."""
    status, kind, body = get(serve(), "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=")
    assert 'slurm_azure_launches_total{pool="hb"} 0.0' in body


def test_openmetrics_when_asked(serve: Serve) -> None:
    """A Prometheus that prefers OpenMetrics gets it, with its end mark."""
    _, kind, body = get(serve(), "/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert kind.startswith("application/openmetrics-text")
    assert body.endswith("# EOF\n")


@pytest.mark.parametrize(("well", "status"), [(True, 200), (False, 503)])
def test_healthz_says_how_it_is(serve: Serve, well: bool, status: int) -> None:
    """200 or 503, and one line; a line break in the text does not make two."""
    answer = get(serve(lambda: (well, "no round\nfor 200 s")), "/healthz")
    assert (answer[0], answer[2]) == (status, "no round for 200 s\n")


def test_a_health_check_that_fails_is_not_well(serve: Serve) -> None:
    """An exception in the check is a 503 that names its kind, not its text."""

    def broken() -> tuple[bool, str]:
        raise RuntimeError("with a secret")

    answer = get(serve(broken), "/healthz")
    assert (answer[0], answer[2]) == (503, "the health check itself failed: RuntimeError\n")


def test_metrics_that_cannot_be_rendered_are_told(caplog: pytest.LogCaptureFixture) -> None:
    """A fault in a collector is a 500 for Prometheus and a line in our log, and the server lives on."""

    class Broken(Collector):
        def describe(self) -> Iterable[Metric]:
            return ()  # without it register() would collect at once

        def collect(self) -> Iterator[Metric]:
            raise RuntimeError("broken collector")

    metrics = Metrics("1", ["hb"])
    with contextlib.closing(MetricsServer("127.0.0.1:0", metrics, lambda: (True, "well"))) as server:
        assert get(server, "/metrics")[0] == 200
        metrics.registry.register(Broken())
        assert get(server, "/metrics")[0] == 500
        assert get(server, "/healthz")[0] == 200
    assert "the metrics cannot be rendered" in caplog.text


@pytest.mark.parametrize("path", ["/", "/metrics/", "/../etc/passwd", "/healthz2"])
def test_nothing_else_is_served(serve: Serve, path: str) -> None:
    """Two paths exist, to the letter."""
    assert get(serve(), path)[0] == 404


def test_only_get(serve: Serve) -> None:
    """A POST to /metrics is refused as such."""
    host, port = serve().address
    request = urllib.request.Request(f"http://{host}:{port}/metrics", data=b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=10)
    refused.value.close()
    assert refused.value.code == 405


def test_the_connection_ends_with_the_answer(serve: Serve) -> None:
    """No keep-alive even if the client asks for it: an idle scraper holds no thread."""
    with connect(serve()) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
        answer = b""
        while part := client.recv(4096):
            answer += part
    assert answer.endswith(b"well\n")


def test_garbage_is_refused_and_the_next_is_served(serve: Serve) -> None:
    """What is not HTTP gets an error, and harms nobody else."""
    server = serve()
    with connect(server) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert b"400" in client.recv(4096)
    assert get(server, "/healthz")[0] == 200


def test_a_client_that_never_ends_its_request_is_cut_off(serve: Serve) -> None:
    """A byte now and then keeps no connection alive: its whole life is bounded."""
    with connect(serve(lifetime=0.5)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        assert client.recv(1) == b""


def test_others_are_served_beside_silent_clients(serve: Serve) -> None:
    """Clients that say nothing do not keep Prometheus out, as long as there are fewer than the bound."""
    server = serve()
    with contextlib.ExitStack() as stack:
        for _ in range(module.CONNECTIONS - 1):
            stack.enter_context(connect(server))
        assert get(server, "/metrics")[0] == 200


def test_the_number_of_connections_is_bounded(serve: Serve) -> None:
    """One more than the bound is closed unanswered: threads do not grow with clients."""
    server = serve()
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(server)) for _ in range(module.CONNECTIONS)]
        extra = stack.enter_context(connect(server))
        assert extra.recv(1) == b""
        assert all(client.fileno() >= 0 for client in held)


def test_close_leaves_nothing(serve: Serve) -> None:
    """After close() no thread is left, though clients were connected, and the port is free."""
    before = set(threading.enumerate())
    server = MetricsServer("127.0.0.1:0", Metrics("1", []), lambda: (True, "well"))
    address = server.address
    with connect(server), connect(server):
        began = time.monotonic()
        server.close()
    assert time.monotonic() - began < 5
    assert set(threading.enumerate()) == before
    again = MetricsServer("{}:{}".format(*address), Metrics("1", []), lambda: (True, "well"))
    again.close()


def test_a_port_that_is_taken_is_told(serve: Serve) -> None:
    """The error names the key, the address and the cause."""
    taken = "{}:{}".format(*serve().address)
    with pytest.raises(PreflightError, match=rf"metrics\.listen {taken}: cannot listen there: .*in use"):
        MetricsServer(taken, Metrics("1", []), lambda: (True, "well"))


@pytest.mark.parametrize("listen", ["127.0.0.1:99999", "203.0.113.7:9819"])
def test_an_address_that_cannot_be_is_told(listen: str) -> None:
    """A port out of range and an address of another machine are one readable line each."""
    with pytest.raises(PreflightError, match="cannot listen there"):
        MetricsServer(listen, Metrics("1", []), lambda: (True, "well"))


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_ipv6(serve: Serve) -> None:
    """An address in brackets is IPv6."""
    try:
        server = serve(listen="[::1]:0")
    except PreflightError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    assert get(server, "/healthz")[0] == 200
