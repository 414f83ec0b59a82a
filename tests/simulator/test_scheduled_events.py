"""Scheduled Events: what a VM reads about itself and its companions, and what becomes of it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.scheduled_events import Event
from slurm_azure.simulator.world.vm import VirtualMachine
from tests.simulator.raw import Answer, arm, ask, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

PATH = "/metadata/scheduledevents"
FIELDS = {"EventId", "EventStatus", "EventType", "ResourceType", "Resources", "NotBefore"}
TERMINATE = {"scheduledEventsProfile": {"terminateNotificationProfile": {"enable": True, "notBeforeTimeout": "PT7M"}}}


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """One running VM, vm-1; a host after 2 s, ready 20 s later, stopped in 5 s, gone in 30 s."""
    spans = {"create_seconds": 2.0, "boot_seconds": 20.0, "delete_seconds": 30.0, "stop_seconds": 5.0}
    timing: dict[str, Any] = {name: constant(value) for name, value in spans.items()}
    with simulated_azure(clock=ManualClock(), **timing) as running:
        made(running, "vm-1")
        yield running


def made(azure: SimulatedAzure, name: str, **changes: Any) -> None:
    """A VM that runs."""
    answer = arm(azure, "PUT", vm_path(azure, name), vm_body(azure, name, **changes))
    assert answer.status == 201, answer.body
    azure.advance(30)


def brief(azure: SimulatedAzure, name: str = "vm-1") -> dict[str, Any]:
    return next(vm for vm in azure.vms() if vm["name"] == name)


def read(azure: SimulatedAzure, name: str = "vm-1", version: str = "2020-07-01") -> Answer:
    """What the VM is told."""
    headers = {"Metadata": "true"}
    return ask(azure.imds, "GET", f"{PATH}?api-version={version}", headers=headers, source=brief(azure, name)["ip"])


def events(azure: SimulatedAzure, name: str = "vm-1", version: str = "2020-07-01") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = read(azure, name, version).body["Events"]
    return found


def approve(azure: SimulatedAzure, body: Any, name: str = "vm-1", version: str = "2020-07-01") -> int:
    path, source = f"{PATH}?api-version={version}", brief(azure, name)["ip"]
    return ask(azure.imds, "POST", path, body, {"Metadata": "true"}, source=source).status


def provisioning(azure: SimulatedAzure) -> Provisioning:
    found = azure.simulator._provisioning
    assert found is not None
    return found


def the_vm(azure: SimulatedAzure, name: str = "vm-1") -> VirtualMachine:
    return provisioning(azure)._world.group(azure.subscription, azure.resource_group).vms[name]


def announce(azure: SimulatedAzure, kind: str, names: Sequence[str] = ("vm-1",), notice: float | None = None) -> Event:
    """As a plan of faults would."""

    async def now() -> Event:
        return provisioning(azure).announce(kind, [the_vm(azure, name) for name in names], notice)

    return azure.run(now())


def now(azure: SimulatedAzure) -> datetime:
    return datetime.fromtimestamp(azure.control("/health")["time"], UTC)


def post(azure: SimulatedAzure, verb: str) -> Answer:
    return arm(azure, "POST", f"{vm_path(azure, 'vm-1')}/{verb}")


def power(azure: SimulatedAzure, name: str = "vm-1") -> tuple[str, str]:
    vm = brief(azure, name)
    return vm["provisioningState"], vm["powerState"]


def test_an_event_has_every_documented_member(azure: SimulatedAzure) -> None:
    """Id, status, type, resource names, moment as in RFC 7231, description, source and duration."""
    announce(azure, "Freeze")
    (event,) = events(azure)
    assert event == {
        "EventId": str(uuid.UUID(event["EventId"])).upper(),
        "EventStatus": "Scheduled",
        "EventType": "Freeze",
        "ResourceType": "VirtualMachine",
        "Resources": ["vm-1"],
        "NotBefore": event["NotBefore"],
        "Description": "Virtual machine is being paused because of a memory-preserving Live Migration operation.",
        "EventSource": "Platform",
        "DurationInSeconds": 5,
    }
    assert event["NotBefore"].endswith(" GMT")


@pytest.mark.parametrize(
    ("version", "members"),
    [
        ("2017-08-01", set()),
        ("2017-11-01", set()),
        ("2019-01-01", set()),
        ("2019-04-01", {"Description"}),
        ("2019-08-01", {"Description", "EventSource"}),
        ("2020-07-01", {"Description", "EventSource", "DurationInSeconds"}),
    ],
)
def test_each_version_shows_what_it_knows(azure: SimulatedAzure, version: str, members: set[str]) -> None:
    """Members come with the version that the page names."""
    announce(azure, "Reboot")
    assert [set(event) for event in events(azure, version=version)] == [FIELDS | members]


def test_older_versions_do_not_know_every_kind(azure: SimulatedAzure) -> None:
    """Preempt since 2017-11-01, Terminate since 2019-01-01."""
    made(azure, "vm-2", priority="Spot")
    made(azure, "vm-3", **TERMINATE)

    async def evict() -> None:
        provisioning(azure).evict(the_vm(azure, "vm-2"))

    azure.run(evict())
    arm(azure, "DELETE", vm_path(azure, "vm-3"))
    shown = {
        version: [len(events(azure, name, version)) for name in ("vm-2", "vm-3")]
        for version in ("2017-08-01", "2017-11-01", "2019-01-01")
    }
    assert shown == {"2017-08-01": [0, 0], "2017-11-01": [1, 0], "2019-01-01": [1, 1]}


@pytest.mark.parametrize("version", ["", "2017-03-01", "2021-02-01", "latest"])
def test_other_versions_are_refused(azure: SimulatedAzure, version: str) -> None:
    """400, with the newest ones."""
    answer = read(azure, version=version)
    assert answer.status == 400
    assert answer.body["newest-versions"]


@pytest.mark.parametrize(("kind", "minutes"), [("Freeze", 15), ("Reboot", 15), ("Redeploy", 10)])
def test_the_least_notice_is_the_documented_one(azure: SimulatedAzure, kind: str, minutes: int) -> None:
    """NotBefore is no nearer than the table of the page says."""
    announce(azure, kind)
    ahead = parsedate_to_datetime(events(azure)[0]["NotBefore"]) - now(azure)
    assert timedelta(minutes=minutes) <= ahead <= timedelta(minutes=minutes, seconds=1)


def test_the_course_of_an_event(azure: SimulatedAzure) -> None:
    """Scheduled, Started with an empty NotBefore, gone; the incarnation grows with each change and with nothing else."""
    seen = [read(azure).body]
    announce(azure, "Freeze")
    seen += [read(azure).body, read(azure).body]
    azure.advance(901)
    seen.append(read(azure).body)
    azure.advance(5)
    seen.append(read(azure).body)
    assert [body["DocumentIncarnation"] for body in seen] == [1, 2, 2, 3, 4]
    course = [[(event["EventStatus"], bool(event["NotBefore"])) for event in body["Events"]] for body in seen]
    assert course == [[], [("Scheduled", True)], [("Scheduled", True)], [("Started", False)], []]


@pytest.mark.parametrize(
    ("kind", "course"), [("Reboot", [(2, "stopping"), (5, "running")]), ("Redeploy", [(1, "stopping"), (3, "running")])]
)
def test_maintenance_boots_the_machine_anew(azure: SimulatedAzure, kind: str, course: list[tuple[float, str]]) -> None:
    """Stopped and started, on the same host or another; the event is over when the guest is up. No operation: Succeeded."""
    boots = the_vm(azure).boots
    announce(azure, kind, notice=10.0)
    azure.advance(10)
    for seconds, expected in course:
        azure.advance(seconds)
        assert power(azure) == ("Succeeded", expected)
        assert [event["EventStatus"] for event in events(azure)] == ["Started"]
    azure.advance(20)
    assert (power(azure), events(azure)) == (("Succeeded", "running"), [])
    assert the_vm(azure).boots > boots


def test_during_maintenance_operations_wait(azure: SimulatedAzure) -> None:
    """409 ResourceUpdateBlockedOnPlatformUpdate in the documented words; a delete goes through."""
    announce(azure, "Reboot", notice=0.0)
    azure.advance(2)
    refused = post(azure, "restart")
    assert (refused.status, refused.code) == (409, "ResourceUpdateBlockedOnPlatformUpdate")
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    azure.advance(31)
    assert azure.vms() == []


def test_companions_hear_of_each_other(azure: SimulatedAzure) -> None:
    """All VMs of an availability set see an event of one, and any may start it; a stranger sees nothing."""
    group = f"{azure.group_path}/providers/Microsoft.Compute/availabilitySets/as"
    body = {"location": azure.location, "sku": {"name": "Aligned"}, "properties": {"platformFaultDomainCount": 2}}
    assert arm(azure, "PUT", group, body).status in (200, 201)
    for name in ("a-1", "a-2"):
        made(azure, name, availabilitySet={"id": group})
    announce(azure, "Freeze", ["a-1"])
    assert [event["Resources"] for event in events(azure, "a-2")] == [["a-1"]]
    assert events(azure) == []
    identity = events(azure, "a-2")[0]["EventId"]
    request = {"StartRequests": [{"EventId": identity}]}
    assert approve(azure, request) == 400, "a stranger knows no such event"
    assert approve(azure, request, "a-2") == 200
    assert [event["EventStatus"] for event in events(azure, "a-1")] == ["Started"]
    assert approve(azure, request, "a-1") == 200, "200 even if another VM already approved the event"


@pytest.mark.parametrize(("size", "domains", "heard"), [("D2s_v5", 1, 1), ("NC24ads_A100_v4", 1, 0), ("NC24ads_A100_v4", 2, 1)])
def test_gpu_vms_of_one_fault_domain_hear_of_their_own_events_alone(
    azure: SimulatedAzure, size: str, domains: int, heard: int
) -> None:
    """In a scale set that spreads as far as it can; others hear of their companions' events."""
    group = f"{azure.group_path}/providers/Microsoft.Compute/virtualMachineScaleSets/set"
    properties = {"orchestrationMode": "Flexible", "platformFaultDomainCount": domains}
    assert arm(azure, "PUT", group, {"location": azure.location, "properties": properties}).status in (200, 201)
    for name in ("a-1", "a-2"):
        hardware = {"vmSize": f"Standard_{size}"}
        made(azure, name, virtualMachineScaleSet={"id": group}, hardwareProfile=hardware)
    announce(azure, "Freeze", ["a-1"])
    assert (len(events(azure, "a-1")), len(events(azure, "a-2"))) == (1, heard)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        {},
        {"StartRequests": {}},
        {"StartRequests": []},
        {"StartRequests": [{}]},
        {"StartRequests": ["x"]},
        {"StartRequests": [{"EventId": 5}]},
        {"StartRequests": [{"EventId": "602d9444-d2cd-49c7-8624-8643e7171297"}]},
    ],
)
def test_what_starts_nothing_is_refused(azure: SimulatedAzure, body: Any) -> None:
    """400 for a body that is not understood and for an event that is not known; all or none of several are started."""
    announce(azure, "Freeze")
    assert approve(azure, body) == 400
    if isinstance(body, dict) and body.get("StartRequests") and isinstance(body["StartRequests"][0], dict):
        known = {"EventId": events(azure)[0]["EventId"]}
        assert approve(azure, {"StartRequests": [known, *body["StartRequests"]]}) == 400
    assert [event["EventStatus"] for event in events(azure)] == ["Scheduled"]


def test_an_id_is_known_in_any_case(azure: SimulatedAzure) -> None:
    """Lower or upper."""
    announce(azure, "Freeze")
    assert approve(azure, {"StartRequests": [{"EventId": events(azure)[0]["EventId"].lower()}]}) == 200


def test_the_header_is_required_and_other_methods_are_not_there(azure: SimulatedAzure) -> None:
    """400 without Metadata: true; 405 for PUT."""
    source, path = brief(azure)["ip"], f"{PATH}?api-version=2020-07-01"
    assert ask(azure.imds, "GET", path, source=source).status == 400
    assert ask(azure.imds, "POST", path, {"StartRequests": []}, source=source).status == 400
    assert ask(azure.imds, "PUT", path, {}, {"Metadata": "true"}, source=source).status == 405


@pytest.mark.parametrize(
    ("verb", "kind", "minutes", "words"), [("restart", "Reboot", 15, "restarted"), ("redeploy", "Redeploy", 10, "redeployed")]
)
def test_a_users_restart_waits_for_a_guest_that_listens(
    azure: SimulatedAzure, verb: str, kind: str, minutes: int, words: str
) -> None:
    """The operation is under way, the VM runs on until it agrees or its notice is over; the source is User."""
    events(azure)
    post(azure, verb)
    (event,) = events(azure)
    assert (event["EventType"], event["EventSource"]) == (kind, "User")
    assert event["Description"] == f"Virtual machine is going to be {words} as requested by authorized user."
    azure.advance(60 * minutes - 1)
    assert power(azure) == ("Updating", "running")
    azure.advance(3)
    assert power(azure) == ("Updating", "stopping")
    azure.advance(30)
    assert (power(azure), events(azure)) == (("Succeeded", "running"), [])


def test_a_guest_that_agrees_is_restarted_at_once(azure: SimulatedAzure) -> None:
    """No need to wait for NotBefore."""
    events(azure)
    post(azure, "restart")
    approve(azure, {"StartRequests": [{"EventId": events(azure)[0]["EventId"]}]})
    assert power(azure) == ("Updating", "stopping")


def test_a_guest_that_does_not_listen_is_not_asked(azure: SimulatedAzure) -> None:
    """Without a request, or without one for a day, the service is off: a restart does not wait."""
    post(azure, "restart")
    assert power(azure) == ("Updating", "stopping")
    azure.advance(30)
    events(azure)
    azure.advance(24 * 3600 + 1)
    post(azure, "restart")
    assert power(azure) == ("Updating", "stopping")


def test_a_deletion_is_told_to_a_vm_that_wants_to_know(azure: SimulatedAzure) -> None:
    """Terminate, as long ahead as its profile says; the VM runs until then, and is marked for deletion all the while."""
    made(azure, "vm-2", **TERMINATE)
    arm(azure, "DELETE", vm_path(azure, "vm-2"))
    (event,) = events(azure, "vm-2")
    assert (event["EventType"], event["EventSource"]) == ("Terminate", "User")
    assert timedelta(minutes=7) <= parsedate_to_datetime(event["NotBefore"]) - now(azure) <= timedelta(seconds=421)
    azure.advance(419)
    assert power(azure, "vm-2") == ("Deleting", "running")
    azure.advance(40)
    assert [vm["name"] for vm in azure.vms()] == ["vm-1"]


@pytest.mark.parametrize("how", ["approval", "force"])
def test_a_deletion_need_not_wait(azure: SimulatedAzure, how: str) -> None:
    """If the guest agrees, or the VM is deleted by force after all."""
    made(azure, "vm-2", **TERMINATE)
    arm(azure, "DELETE", vm_path(azure, "vm-2"))
    if how == "approval":
        approve(azure, {"StartRequests": [{"EventId": events(azure, "vm-2")[0]["EventId"]}]}, "vm-2")
    else:
        arm(azure, "DELETE", vm_path(azure, "vm-2") + "?forceDeletion=true")
    azure.advance(31)
    assert [vm["name"] for vm in azure.vms()] == ["vm-1"]


def test_a_spot_vm_is_not_told_of_its_deletion(azure: SimulatedAzure) -> None:
    """Terminate notifications are not for Spot VMs: gone as quickly as any."""
    made(azure, "vm-2", priority="Spot", **TERMINATE)
    arm(azure, "DELETE", vm_path(azure, "vm-2"))
    azure.advance(31)
    assert [vm["name"] for vm in azure.vms()] == ["vm-1"]


def test_events_of_a_vm_go_with_it(azure: SimulatedAzure) -> None:
    """What was announced for a VM that is deleted does not take place, and nothing of it is kept."""
    announce(azure, "Reboot")
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert events(azure) == []
    azure.advance(2000)
    assert azure.vms() == []
    assert provisioning(azure)._world.events._circles == {}


def test_the_first_answer_may_take_its_time() -> None:
    """ "You should expect a delayed response in your first call of up to two minutes": settable, and the first call only."""
    with simulated_azure(events_delay=0.3) as azure:
        arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
        waited = []
        for _ in range(2):
            began = datetime.now(UTC)
            assert read(azure).body == {"DocumentIncarnation": 1, "Events": []}
            waited.append((datetime.now(UTC) - began).total_seconds())
        assert waited[0] >= 0.3 > waited[1]
