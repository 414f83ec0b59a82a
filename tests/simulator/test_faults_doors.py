"""What comes through the doors that is no good HTTP, and clients that leave."""

from __future__ import annotations

import logging
import socket
import struct
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.simulator.faulty import put
from tests.simulator.raw import token, vm_path
from tests.support.processes import until
from tests.support.simulated_azure import SimulatedAzure


def connection(url: str) -> socket.socket:
    """A plain connection to an endpoint."""
    parts = urlsplit(url)
    return socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10)


def send(url: str, content: bytes, leave: bool = False) -> bytes:
    """The answer to some bytes, until the other side closes; `leave`: say goodbye at once, as the content needs no more."""
    with connection(url) as client:
        client.sendall(content)
        if leave:
            client.shutdown(socket.SHUT_WR)
        answer = b""
        try:
            while piece := client.recv(65536):
                answer += piece
        except OSError:
            pass
        return answer


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 50_000 + b"\r\n",
        b"POST /machine?comp=health HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /machine?comp=health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"POST /machine HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    ],
)
def test_what_is_no_http_is_refused_in_a_line(azure: SimulatedAzure, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A status of 4xx, never 500, and no traceback in the log; the next client is served."""
    with caplog.at_level(logging.DEBUG):
        answer = send(azure.imds, content)
    assert answer.split(b" ")[1].startswith(b"4")
    assert [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG] == []
    assert b" 410 " in send(azure.imds, b"GET /machine?comp=goalstate HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def test_a_request_that_breaks_off_is_dropped(azure: SimulatedAzure, caplog: pytest.LogCaptureFixture) -> None:
    """The client promises 100 bytes, sends four and leaves: no answer, no traceback."""
    with caplog.at_level(logging.INFO):
        assert send(azure.imds, b"POST /machine HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf", leave=True) == b""
    assert [record for record in caplog.records if record.exc_info] == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60), st.binary(max_size=60), st.sampled_from([b"GET", b"POST", b"OPTIONS", b"CONNECT", b"X"]))
def test_any_path_and_query_are_answered(azure: SimulatedAzure, path: bytes, rest: bytes, method: bytes) -> None:
    """Whatever bytes stand there: an answer other than 500, or none."""
    content = method + b" /" + path + b"?" + rest + b" HTTP/1.1\r\nHost: x\r\nMetadata: true\r\nConnection: close\r\n\r\n"
    assert b" 500 " not in send(azure.imds, content).partition(b"\r\n")[0]


@pytest.mark.parametrize("host", ["", "Host: [\r\n", "Host: a:b:c\r\n", "Host: \xff\r\n"])
def test_odd_hosts_are_no_reason_to_fail(azure: SimulatedAzure, host: str) -> None:
    """A request without a Host, or with one that is none."""
    content = f"GET /machine?comp=goalstate HTTP/1.1\r\n{host}Connection: close\r\n\r\n".encode("latin-1")
    assert b" 500 " not in send(azure.imds, content).partition(b"\r\n")[0]


def test_clients_that_leave_while_they_wait_are_let_go(azure: SimulatedAzure, caplog: pytest.LogCaptureFixture) -> None:
    """A hundred answers are lost, their clients go: no connection and no task of theirs is left, and nothing is logged."""
    put(azure, {"what": "lost", "operation": "wire"})
    with caplog.at_level(logging.INFO):
        clients = [connection(azure.imds) for _ in range(100)]
        for client in clients:
            client.sendall(b"GET /?comp=versions HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: azure.counts().get("Wire_Versions") == 100, 10)
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        until(lambda: azure.run(_connections(azure)) == 0, 10)
    assert [record for record in caplog.records if record.exc_info] == []


async def _connections(azure: SimulatedAzure) -> int:
    """How many connections the server of IMDS and wire server holds."""
    return len(azure.simulator._doors[1][1].connections)


def test_a_reset_within_tls_is_logged_by_nobody(azure: SimulatedAzure, caplog: pytest.LogCaptureFixture) -> None:
    """The abort of the connection leaves no traceback of asyncio's or aiohttp's."""
    from tests.simulator.raw import ask

    headers = {"Authorization": f"Bearer {token(azure)}"}
    put(azure, {"what": {"kind": "reset", "when": "after"}, "operation": "lists"})
    with caplog.at_level(logging.INFO):
        for _ in range(5):
            with pytest.raises(ConnectionResetError):
                ask(azure.endpoint, "GET", f"{vm_path(azure)}?api-version=2024-07-01", None, headers, azure.ca_file)
    assert [record for record in caplog.records if record.exc_info] == []
    assert azure.counts()["VirtualMachines_List"] == 5
