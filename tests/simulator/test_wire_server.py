"""The wire server: a guest's report decides how its create operation ends."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from slurm_azure.simulator.timing import constant
from tests.simulator.raw import Answer, arm, ask, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

HEALTH = """<?xml version="1.0" encoding="utf-8"?>
<Health xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">
  <GoalStateIncarnation>1</GoalStateIncarnation>
  <Container><ContainerId>{container}</ContainerId><RoleInstanceList><Role><InstanceId>{instance}</InstanceId>
      <Health><State>{state}</State>{details}</Health></Role></RoleInstanceList></Container>
</Health>"""
FAILED = "<Details><SubStatus>ProvisioningFailed</SubStatus><Description>result=error|reason=no disk</Description></Details>"
BUSY = "<Details><SubStatus>Provisioning</SubStatus><Description>still at it</Description></Details>"


def report(azure: SimulatedAzure, state: str, details: str = "", address: str | None = None) -> Answer:
    """What cloud-init posts: the goal state's ids and a state."""
    source = address or azure.vms()[0]["ip"]
    goal = ask(azure.imds, "GET", "/machine/?comp=goalstate", headers={"x-ms-version": "2012-11-30"}, source=source)
    tree = ElementTree.fromstring(goal.text) if goal.text else ElementTree.Element("GoalState")
    text = HEALTH.format(
        container=tree.findtext("Container/ContainerId"), instance=tree.findtext(".//InstanceId"), state=state, details=details
    )
    return ask(azure.imds, "POST", "/machine?comp=health", text.encode(), source=source)


@pytest.fixture
def waiting() -> object:
    """A VM whose machine never says anything by itself."""
    with simulated_azure(clock=ManualClock(), boot_seconds=constant(1e9)) as azure:
        arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
        azure.advance(1)
        yield azure


def provisioning(azure: SimulatedAzure) -> tuple[str, str | None]:
    vm = azure.vms()[0]
    return vm["provisioningState"], vm["failure"] and vm["failure"]["code"]


def test_ready_ends_the_create(waiting: SimulatedAzure) -> None:
    """Creating until the guest says Ready, then Succeeded."""
    assert provisioning(waiting) == ("Creating", None)
    assert report(waiting, "Ready").status == 200
    assert provisioning(waiting) == ("Succeeded", None)


def test_a_plain_not_ready_means_wait(waiting: SimulatedAzure) -> None:
    """Agents report NotReady while they work; that fails nothing."""
    assert report(waiting, "NotReady", BUSY).status == 200
    assert provisioning(waiting) == ("Creating", None)


def test_provisioning_failed_fails_the_create_with_the_guests_words(waiting: SimulatedAzure) -> None:
    """The VM is Failed, stays, and the instance view tells code and cause, so that a list-based client can learn it."""
    report(waiting, "NotReady", FAILED)
    assert provisioning(waiting) == ("Failed", "OSProvisioningClientError")
    view = arm(waiting, "GET", vm_path(waiting, "vm-1") + "/instanceView").body
    assert view["statuses"][0]["code"] == "ProvisioningState/failed/OSProvisioningClientError"
    assert "reason=no disk" in view["statuses"][0]["message"]
    assert view["statuses"][1]["code"] == "PowerState/running"


def test_a_guest_that_never_reports_times_out(waiting: SimulatedAzure) -> None:
    """After 40 minutes the create fails with OSProvisioningTimedOut."""
    waiting.advance(2390)
    assert provisioning(waiting) == ("Creating", None)
    waiting.advance(20)
    assert provisioning(waiting) == ("Failed", "OSProvisioningTimedOut")


def test_a_failed_create_shows_as_http_200_failed(waiting: SimulatedAzure) -> None:
    """The operation's status request is HTTP 200 with status Failed and the error."""
    answer = arm(waiting, "PUT", vm_path(waiting, "vm-2"), vm_body(waiting))
    path = answer.headers["Azure-AsyncOperation"].removeprefix(waiting.endpoint).split("?")[0]
    waiting.advance(1)
    address = next(vm["ip"] for vm in waiting.vms() if vm["name"] == "vm-2")
    report(waiting, "NotReady", FAILED, address)
    ended = arm(waiting, "GET", path)
    assert (ended.status, ended.body["status"]) == (200, "Failed")
    assert ended.body["error"]["code"] == "OSProvisioningClientError"


@pytest.mark.parametrize("content", [b"", b"not xml", b"<Health><State>Perhaps</State></Health>"])
def test_nonsense_is_refused_and_changes_nothing(waiting: SimulatedAzure, content: bytes) -> None:
    """A report that cannot be understood is 400."""
    address = waiting.vms()[0]["ip"]
    assert ask(waiting.imds, "POST", "/machine?comp=health", content, source=address).status == 400
    assert provisioning(waiting) == ("Creating", None)


def test_a_stranger_has_no_goal_state(waiting: SimulatedAzure) -> None:
    """An address that is no VM's cannot report anything; the list of versions is for everyone."""
    assert report(waiting, "Ready", address="127.66.9.9").status == 410
    assert ask(waiting.imds, "GET", "/?comp=versions").status == 200
    assert provisioning(waiting) == ("Creating", None)
