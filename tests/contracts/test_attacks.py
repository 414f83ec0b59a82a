"""What is no proper request at all, and too many proper ones at once: a plain refusal, and a simulator that goes on."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from tests.contracts import specifications
from tests.contracts.target import PATIENCE, Target, complaints, target
from tests.simulator.raw import VERSION, token, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body

pytestmark = [pytest.mark.skipif(not specifications.available(), reason=specifications.ABSENT), pytest.mark.timeout(120)]

DEEP = 100_000
JSON = "application/json"


@pytest.fixture(scope="module")
def shooting_range() -> Iterator[Target]:
    with target() as running:
        yield running


@pytest.fixture(scope="module")
def bearer(shooting_range: Target) -> str:
    return token(shooting_range.azure)


BODIES = {
    "nothing": b"",
    "no JSON": b"location=westeurope",
    "half of it": b'{"location": "westeurope", "properties": {',
    "two of them": b"{}{}",
    "a list": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "a number": b"1",
    "NUL": b"\x00",
    "NUL in a string": b'{"location": "west\x00europe"}',
    "NUL escaped": b'{"location": "west\\u0000europe"}',
    "half a surrogate": b'{"location": "\\ud800", "tags": {"\\ud800": "\\udfff"}, "properties": {}}',
    "not UTF-8": b'{"location": "\xff\xfe"}',
    "UTF-16": '{"location": "westeurope"}'.encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + b'{"location": "westeurope"}',
    "not a number": b'{"location": "westeurope", "properties": {"billingProfile": {"maxPrice": NaN}}}',
    "infinity": b'{"location": "westeurope", "properties": {"billingProfile": {"maxPrice": -Infinity}}}',
    "too big a number": b'{"location": "westeurope", "properties": {"billingProfile": {"maxPrice": 1e999}}}',
    "a number of 100,000 digits": b'{"location": "westeurope", "properties": {"platformFaultDomain": ' + b"9" * 100_000 + b"}}",
    "lists in lists": b'{"location": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "objects in objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "900 objects in objects": b'{"location": "westeurope", "tags": ' + b'{"a":' * 900 + b"1" + b"}" * 900 + b"}",
    "objects in objects, half": b'{"a":' * DEEP,
    "the same member twice": b'{"location": "westeurope", "location": 5}',
    "3 MB of one name": b'{"location": "' + b"x" * 3_000_000 + b'"}',
    "5 MB": b'{"location": "' + b"x" * 5_000_000 + b'"}',
    "100,000 members": json.dumps({"location": "westeurope", "tags": {str(n): "x" for n in range(100_000)}}).encode(),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST"])
def test_bad_bodies_are_refused(shooting_range: Target, method: str, name: str) -> None:
    """4xx with an error as specified; POST goes to an operation that wants no body and may well ignore it."""
    path = vm_path(shooting_range.azure, "vm-1")
    if method == "POST":
        path += "/powerOff"
    answer = shooting_range.send(method, path, body=BODIES[name])
    assert complaints(answer) == []
    assert 400 <= answer["status"] < 500, answer


CONTENT_TYPES = [
    "",
    "text/plain",
    "application/xml",
    "application/json; charset=utf-16",
    "multipart/form-data",
    "\u00e9",
    "a" * 5000,
]


@pytest.mark.parametrize("kind", CONTENT_TYPES, ids=lambda kind: kind[:20])
def test_strange_content_types(shooting_range: Target, kind: str) -> None:
    """A good body under a wrong name: taken or refused, never failed over."""
    path = vm_path(shooting_range.azure, "vm-2")
    answer = shooting_range.send("PUT", path, body=vm_body(shooting_range.azure), headers={"Content-Type": kind})
    assert complaints(answer) == []


def talk(azure: SimulatedAzure, said: bytes) -> bytes:
    """What comes back for bytes on the wire, until the other end closes or has nothing more to say."""
    url = urlsplit(azure.endpoint)
    context = ssl.create_default_context(cafile=azure.ca_file)
    plain = socket.create_connection((str(url.hostname), url.port or 443), timeout=PATIENCE)
    with plain, context.wrap_socket(plain, server_hostname=str(url.hostname)) as secure:
        secure.sendall(said)
        return secure.recv(1 << 16)


def status_of(answer: bytes) -> int:
    """The status of an HTTP answer."""
    version, status, *_ = answer.split(b" ", 2)
    assert version in (b"HTTP/1.1", b"HTTP/1.0"), answer[:100]
    return int(status)


PATHS = [
    "/",
    "//",
    "/..",
    "/../../etc/passwd",
    "/subscriptions/../../x",
    "/subscriptions//resourceGroups",
    "/subscriptions/%2f%2e%2e%2f/resourceGroups/x",
    "/subscriptions/%00",
    "/subscriptions/%ff%fe",
    "/subscriptions/%zz",
    "/subscriptions/%",
    "/subscriptions/x;y=z",
    "/subscriptions/\u00e9",
    "/subscriptions/" + "x" * 7000,
    "/" + "x/" * 3000,
    "/subscriptions?api-version=",
    "/subscriptions?api-version=2024-07-01&api-version=2026-04-01",
    "/subscriptions?api-version=2026-04-01&api-version",
    "/subscriptions?" + "&".join(f"a{n}=b" for n in range(500)),
    "/subscriptions?$skiptoken=%ff",
    "?",
    "*",
    "http://elsewhere.example/subscriptions",
    "/{vm}?$expand=%00&api-version=2026-04-01",
    "/{vm}%2finstanceView?api-version=2026-04-01",
    "/{vm}/?api-version=2026-04-01",
    "/{vm}?api-version=9999-99-99",
    "/{vm}?api-version='; drop table vms;--",
    "/{vms}?$skiptoken=AAAA&api-version=2026-04-01",
    "/{vms}?$filter=%27%27%27&api-version=2026-04-01",
]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:40])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "get"])
def test_strange_paths_and_methods(shooting_range: Target, bearer: str, method: str, path: str) -> None:
    """An answer, and none that says the simulator has failed."""
    azure = shooting_range.azure
    path = path.replace("/{vms}", vm_path(azure)).replace("/{vm}", vm_path(azure, "vm-1"))
    lines = [f"{method} {path} HTTP/1.1", "Host: management.azure.com", f"Authorization: Bearer {bearer}", "Content-Length: 0"]
    said = "\r\n".join([*lines, "Connection: close", "", ""]).encode()
    status = status_of(talk(azure, said))
    assert status < 500 or status == 501, status


HEADERS = {
    "no host": [],
    "two hosts": ["Host: a", "Host: b"],
    "a strange host": ["Host: \u00e9:x:y"],
    "a host with a path": ["Host: a/b?c"],
    "no token": ["Host: a"],
    "half a token": ["Host: a", "Authorization: Bearer"],
    "not a token": ["Host: a", "Authorization: Bearer a.b.c"],
    "a token of another kind": ["Host: a", "Authorization: Basic YTpi"],
    "a long token": ["Host: a", "Authorization: Bearer " + "x" * 7000],
    "many headers": ["Host: a", *(f"X-{n}: y" for n in range(100))],
    "a negative length": ["Host: a", "Content-Length: -1"],
    "two lengths": ["Host: a", "Content-Length: 0", "Content-Length: 5"],
    "length and chunks": ["Host: a", "Content-Length: 5", "Transfer-Encoding: chunked"],
    "an unknown encoding": ["Host: a", "Content-Encoding: zebra", "Content-Length: 0"],
    "folded": ["Host: a", "X-A: b", " c"],
    "no name": ["Host: a", ": b"],
    "expects": ["Host: a", "Expect: miracles"],
    "a condition": ["Host: a", "If-None-Match: \u00e9", "If-Match: "],
}


@pytest.mark.parametrize("name", HEADERS)
def test_strange_headers(shooting_range: Target, bearer: str, name: str) -> None:
    """An answer below 500, whatever the headers are."""
    token_line = [] if "token" in name else [f"Authorization: Bearer {bearer}"]
    lines = [f"GET {vm_path(shooting_range.azure, 'x')}?api-version={VERSION} HTTP/1.1", *HEADERS[name], *token_line]
    status = status_of(talk(shooting_range.azure, "\r\n".join([*lines, "Connection: close", "", ""]).encode()))
    assert status < 500, status


def test_bytes_that_are_no_http(shooting_range: Target) -> None:
    """They are turned away."""
    for said in (b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01" * 20):
        answer = talk(shooting_range.azure, said)
        assert answer == b"" or 400 <= status_of(answer) < 500 or status_of(answer) == 505


def test_after_all_that_it_still_works(shooting_range: Target) -> None:
    """The simulator that has seen everything above makes a VM and takes it away."""
    path = vm_path(shooting_range.azure, "vm-9")
    assert shooting_range.send("PUT", path, body=vm_body(shooting_range.azure))["status"] == 201
    assert shooting_range.send("DELETE", path)["status"] == 202


def test_creates_and_deletes_of_one_vm_at_once() -> None:
    """200 of them from eight clients, and again one by one: every answer is one of Azure's, and no NIC or disk is left over."""
    with target() as one:
        path, body = vm_path(one.azure, "vm-1"), vm_body(one.azure)

        def shoot(number: int) -> int:
            answer = one.send("DELETE", path) if number % 2 else one.send("PUT", path, body=body)
            assert complaints(answer) == []
            return int(answer["status"])

        with ThreadPoolExecutor(8) as clients:
            statuses = set(clients.map(shoot, range(200)))
        assert statuses <= {200, 201, 202, 204, 409}, statuses
        assert 201 in statuses
        assert one.send("DELETE", path)["status"] in (202, 204)
        for kind in ("Microsoft.Compute/virtualMachines", "Microsoft.Compute/disks", "Microsoft.Network/networkInterfaces"):
            assert one.send("GET", f"{one.azure.group_path}/providers/{kind}")["reply"]["value"] == [], kind


def test_one_create_wins_of_many() -> None:
    """Fifty create-only calls for one name at once: one VM is made, everybody else hears that it is there already."""
    with target() as one:
        path, body = vm_path(one.azure, "vm-1"), vm_body(one.azure)
        with ThreadPoolExecutor(8) as clients:
            answers = clients.map(lambda _: one.send("PUT", path, body=body, headers={"If-None-Match": "*"}), range(50))
            statuses = [answer["status"] for answer in answers]
        assert sorted(set(statuses)) == [201, 412]
        assert statuses.count(201) == 1
