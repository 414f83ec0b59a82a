"""Boot diagnostics: links that anybody may follow who has them, for a while; and what is behind them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from slurm_azure.simulator.timing import constant
from tests.simulator.raw import Answer, arm, ask, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

ON: dict[str, Any] = {"diagnosticsProfile": {"bootDiagnostics": {"enabled": True}}}


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """A VM with boot diagnostics that has a host after 2 s and takes 20 s to boot."""
    timing: dict[str, Any] = {"create_seconds": constant(2.0), "boot_seconds": constant(20.0), "delete_seconds": constant(5.0)}
    with simulated_azure(clock=ManualClock(), **timing) as running:
        arm(running, "PUT", vm_path(running, "vm.1"), vm_body(running, **ON))
        yield running


def retrieve(azure: SimulatedAzure, query: str = "", name: str = "vm.1") -> Answer:
    return arm(azure, "POST", f"{vm_path(azure, name)}/retrieveBootDiagnosticsData{query}")


def fetch(azure: SimulatedAzure, link: str | None, method: str = "GET") -> Answer:
    """As a browser would: no token."""
    assert link is not None
    url = urlsplit(link)
    return ask(azure.endpoint, method, f"{url.path}?{url.query}", ca_file=azure.ca_file)


def console(azure: SimulatedAzure) -> str:
    return fetch(azure, retrieve(azure).body["serialConsoleLogBlobUri"]).text.decode()


def test_both_links_lead_somewhere(azure: SimulatedAzure) -> None:
    """200 with exactly the two members; log and bitmap come without a token, each as its own type."""
    azure.advance(30)
    answer = retrieve(azure)
    assert (answer.status, set(answer.body)) == (200, {"consoleScreenshotBlobUri", "serialConsoleLogBlobUri"})
    log = fetch(azure, answer.body["serialConsoleLogBlobUri"])
    assert (log.status, log.headers["Content-Type"]) == (200, "text/plain")
    picture = fetch(azure, answer.body["consoleScreenshotBlobUri"])
    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/bmp")
    assert picture.text[:2] == b"BM"
    assert struct.unpack_from("<I", picture.text, 2)[0] == len(picture.text), "the file's length, as its header says"
    head = fetch(azure, answer.body["serialConsoleLogBlobUri"], "HEAD")
    assert (head.status, head.text) == (200, b"")
    assert fetch(azure, answer.body["serialConsoleLogBlobUri"], "PUT").status == 405


def test_the_log_grows_while_the_machine_boots(azure: SimulatedAzure) -> None:
    """Nothing, then the kernel, then cloud-init with the VM's own address, then a login prompt."""
    assert console(azure) == ""
    azure.advance(4)
    assert "Linux version" in console(azure)
    assert "running 'init'" not in console(azure)
    azure.advance(8)
    assert f"{azure.vms()[0]['ip']}/16" in console(azure)
    assert "finished" not in console(azure)
    azure.advance(20)
    assert console(azure).endswith("az-1 login: \r\n")


def test_the_log_outlives_the_machine(azure: SimulatedAzure) -> None:
    """What the last machine wrote can still be read when the VM is stopped; a new machine writes anew."""
    azure.advance(30)
    before = console(azure)
    arm(azure, "POST", vm_path(azure, "vm.1") + "/deallocate")
    azure.advance(10)
    assert console(azure) == before
    arm(azure, "POST", vm_path(azure, "vm.1") + "/start")
    azure.advance(4)
    assert len(console(azure)) < len(before)


def test_a_link_is_good_for_its_time(azure: SimulatedAzure) -> None:
    """Two hours unless asked otherwise; then 403 in the storage service's shape."""
    short, long = (retrieve(azure, query).body["serialConsoleLogBlobUri"] for query in ("?sasUriExpirationTimeInMinutes=1", ""))
    azure.advance(59)
    assert fetch(azure, short).status == 200
    azure.advance(2)
    over = fetch(azure, short)
    assert (over.status, over.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")
    assert b"<Code>AuthenticationFailed</Code>" in over.text
    azure.advance(7200 - 63)
    assert fetch(azure, long).status == 200
    azure.advance(3)
    assert fetch(azure, long).status == 403


def test_a_link_cannot_be_made_up(azure: SimulatedAzure) -> None:
    """Neither signature nor expiry nor path can be changed, nor left out."""
    link = retrieve(azure).body["serialConsoleLogBlobUri"]
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert len(query["sig"]) == 44, "256 bits"
    other = retrieve(azure).body["consoleScreenshotBlobUri"]
    spoiled = [
        link.replace("sig=", "sig=A"),
        link.replace(f"se={query['se'][:4]}", "se=2099"),
        link.partition("?")[0],
        link.partition("?")[0] + "?" + urlsplit(other).query,
    ]
    assert [fetch(azure, bad).status for bad in spoiled] == [403, 403, 403, 403]


def test_a_link_to_a_vm_that_is_gone(azure: SimulatedAzure) -> None:
    """404 BlobNotFound; also if there is a new VM of that name."""
    link = retrieve(azure).body["serialConsoleLogBlobUri"]
    arm(azure, "DELETE", vm_path(azure, "vm.1"))
    azure.advance(10)
    assert fetch(azure, link).headers["x-ms-error-code"] == "BlobNotFound"
    arm(azure, "PUT", vm_path(azure, "vm.1"), vm_body(azure, **ON))
    assert fetch(azure, link).status == 404


@pytest.mark.parametrize("minutes", ["0", "1441", "-5", "soon", "1.5"])
def test_lifetimes_have_bounds(azure: SimulatedAzure, minutes: str) -> None:
    """1 to 1440 minutes."""
    refused = retrieve(azure, f"?sasUriExpirationTimeInMinutes={minutes}")
    assert (refused.status, refused.code) == (400, "InvalidParameter")


@pytest.mark.parametrize("profile", [{}, {"diagnosticsProfile": {"bootDiagnostics": {"enabled": False}}}])
def test_without_boot_diagnostics_there_is_nothing(azure: SimulatedAzure, profile: dict[str, Any]) -> None:
    """409 OperationNotAllowed; no member of the instance view; and 404 where there is no VM."""
    arm(azure, "PUT", vm_path(azure, "vm-2"), vm_body(azure, **profile))
    assert (retrieve(azure, name="vm-2").status, retrieve(azure, name="vm-2").code) == (409, "OperationNotAllowed")
    assert "bootDiagnostics" not in arm(azure, "GET", vm_path(azure, "vm-2") + "/instanceView").body
    assert retrieve(azure, name="absent").status == 404


def test_the_instance_view_shows_links_of_ones_own_account_only(azure: SimulatedAzure) -> None:
    """Empty for managed storage; for an account of one's own the two blobs in it."""
    assert arm(azure, "GET", vm_path(azure, "vm.1") + "/instanceView").body["bootDiagnostics"] == {}
    settings = {"enabled": True, "storageUri": "https://mine.blob.core.windows.net/"}
    arm(azure, "PUT", vm_path(azure, "vm-2"), vm_body(azure, diagnosticsProfile={"bootDiagnostics": settings}))
    shown = arm(azure, "GET", vm_path(azure, "vm-2") + "/instanceView").body["bootDiagnostics"]
    for uri in shown.values():
        assert uri.startswith("https://mine.blob.core.windows.net/bootdiagnostics-vm2-")


def test_the_sdk_gets_the_links(azure: SimulatedAzure) -> None:
    """Unmodified azure-mgmt-compute, with a lifetime."""
    with azure.compute() as client:
        found = client.virtual_machines.retrieve_boot_diagnostics_data(
            azure.resource_group, "vm.1", sas_uri_expiration_time_in_minutes=5
        )
    assert fetch(azure, found.serial_console_log_blob_uri).status == 200
