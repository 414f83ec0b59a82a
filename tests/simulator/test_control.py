"""The control endpoint and the journal of requests."""

from __future__ import annotations

import pytest

from slurm_azure.simulator.journal import Entry, Journal
from tests.simulator.raw import arm, ask, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body


def test_requests_are_counted_by_the_names_of_the_openapi_files(azure: SimulatedAzure) -> None:
    """Each request is one count, by operation and by status, refused ones too; `DELETE /requests` starts anew."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    azure.forget()
    arm(azure, "PUT", vm_path(azure, "vm-1"), {})
    arm(azure, "GET", vm_path(azure, "vm-1"))
    arm(azure, "GET", vm_path(azure, "vm-2"))
    ask(azure.endpoint, "GET", vm_path(azure), ca_file=azure.ca_file)
    found = azure.control("/requests")
    assert found["counts"] == {
        "Login_Token": 3,
        "VirtualMachines_CreateOrUpdate": 1,
        "VirtualMachines_Get": 2,
        "VirtualMachines_List": 1,
    }
    assert found["statuses"]["VirtualMachines_Get"] == {"200": 1, "404": 1}
    assert found["statuses"]["VirtualMachines_List"] == {"401": 1}
    assert found["total"] == 7
    assert (found["recent"][-1]["method"], found["recent"][-1]["status"]) == ("GET", 401)


def test_the_journal_is_bounded_and_its_counts_are_not() -> None:
    """Of ten thousand requests the last hundred are kept, and all are counted."""
    journal = Journal(keep=100)
    for number in range(10_000):
        journal.record(Entry(number, "GET", f"/{number}", "X_Get", 200, 0.0))
    found = journal.as_json(recent=1000)
    assert (found["counts"], len(found["recent"]), found["recent"][0]["path"]) == ({"X_Get": 10_000}, 100, "/9900")


def test_vms_are_shown_with_what_azure_does_not_tell(azure: SimulatedAzure) -> None:
    """Address, grade and power state in one list; one VM by name; health."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, "az-1"))
    (vm,) = azure.vms()
    assert (vm["name"], vm["computerName"], vm["ip"], vm["grade"]) == ("vm-1", "az-1", "127.66.0.4", "none")
    assert azure.control("/vms/VM-1")["vmId"] == vm["vmId"]
    assert azure.control("/health")["vms"] == 1


def test_what_is_not_there_is_404(azure: SimulatedAzure) -> None:
    """Unknown paths, VMs and methods are told apart."""
    control = str(azure.endpoints.control)
    absent = [("GET", "/x", 404), ("GET", "/vms/x", 404), ("PUT", "/vms", 405), ("POST", "/vms/x/halt", 404)]
    for method, path, status in absent:
        assert ask(control, method, path).status == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1:8444"},
        {"Origin": "null"},
        {"Host": "rebound.example"},
        {"Host": "rebound.example:8444"},
        {"Host": "127.0.0.1.example"},
        {"Host": "[::1].example"},
        {"Host": ""},
    ],
)
def test_no_web_page_steers_it(azure: SimulatedAzure, headers: dict[str, str]) -> None:
    """What a browser would send for a page is refused before anything is done: an Origin, or a name that is not loopback's."""
    control = str(azure.endpoints.control)
    answer = ask(control, "PUT", "/faults", [{"what": "Conflict"}], headers)
    assert answer.status == 403
    assert azure.control("/faults")["faults"] == []


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:1", "[::1]:8444", "[::1]", "10.1.2.3"])
def test_it_is_asked_by_address_or_as_localhost(azure: SimulatedAzure, host: str) -> None:
    """No name that somebody else's name server could give an address is needed to get there."""
    assert ask(str(azure.endpoints.control), "GET", "/health", headers={"Host": host}).status == 200
