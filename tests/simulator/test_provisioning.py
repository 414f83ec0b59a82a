"""What happens between control plane and machines: over a hypervisor that the test holds in its hand."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from slurm_azure.simulator.arm.virtual_machines import VirtualMachines
from slurm_azure.simulator.call import Call
from slurm_azure.simulator.estate import Estate, NetworkPlan, SubnetPlan, SubscriptionPlan
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.machines.grades import Grades
from slurm_azure.simulator.machines.machine import Guest, Machine, MachineSpec
from slurm_azure.simulator.packing import packed
from slurm_azure.simulator.resource_id import subnet_id
from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world import vm_factory, vm_request
from slurm_azure.simulator.world.provisioning import Provisioning, Timings
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World
from tests.support.simulated_azure import ManualClock


@dataclass
class RecordingMachine:
    """Remembers that it was destroyed; `stuck` makes that fail."""

    destroyed: int = 0
    stuck: bool = False
    done: list[str] = field(default_factory=list)

    async def destroy(self) -> None:
        self.destroyed += 1
        if self.stuck:
            raise RuntimeError("stuck")

    def console(self) -> bytes:
        return b"console"

    async def pause(self) -> None:
        self.done.append("pause")

    async def resume(self) -> None:
        self.done.append("resume")

    async def cut_off(self) -> None:
        self.done.append("cut off")


@dataclass
class RecordingHypervisor:
    """Boots when `gate` is open; remembers specs and guests."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    broken: bool = False
    specs: list[MachineSpec] = field(default_factory=list)
    guests: list[Guest] = field(default_factory=list)
    machines: list[RecordingMachine] = field(default_factory=list)
    started = closed = 0

    async def start(self) -> None:
        self.started += 1

    async def boot(self, spec: MachineSpec, guest: Guest) -> Machine:
        await self.gate.wait()
        if self.broken:
            raise RuntimeError("no such bridge")
        self.specs.append(spec)
        self.guests.append(guest)
        self.machines.append(RecordingMachine())
        return self.machines[-1]

    async def close(self) -> None:
        self.closed += 1


SUBNET = subnet_id("s", "g", "vnet", "burst")
BODY = {
    "location": "westeurope",
    "tags": {"node": "n1"},
    "properties": {
        "hardwareProfile": {"vmSize": "Standard_D4s_v3"},
        "storageProfile": {"imageReference": {"id": "/i"}, "osDisk": {"createOption": "FromImage"}},
        "osProfile": {
            "computerName": "n1",
            "adminUsername": "azureuser",
            "customData": "Y3VzdG9t",
            "linuxConfiguration": {"ssh": {"publicKeys": [{"keyData": "ssh-ed25519 AAAA"}]}},
        },
        "networkProfile": {
            "networkApiVersion": "2020-11-01",
            "networkInterfaceConfigurations": [
                {
                    "name": "nic",
                    "properties": {
                        "deleteOption": "Delete",
                        "ipConfigurations": [{"name": "c", "properties": {"subnet": {"id": SUBNET}}}],
                    },
                }
            ],
        },
    },
}


@dataclass
class Site:
    """A world with one subscription, its hypervisor and clock."""

    clock: ManualClock
    hypervisor: RecordingHypervisor
    world: World
    provisioning: Provisioning

    def create(self) -> VirtualMachine:
        vm = vm_factory.make(self.world, self.world.group("s", "g"), "n1-1", vm_request.read("n1-1", BODY))
        self.provisioning.create(vm)
        return vm

    @property
    def names(self) -> list[str]:
        return list(self.world.group("s", "g").vms)


def on_site(scenario: Callable[[Site], Awaitable[None]], faults: Faults | None = None) -> None:
    """Run a scenario in an event loop of its own."""

    async def run() -> None:
        network = NetworkPlan("vnet", "g", (SubnetPlan("burst", ipaddress.IPv4Network("10.0.0.0/24")),))
        plan = SubscriptionPlan("s", "s", {"g": "westeurope"}, (network,), ())
        clock, hypervisor = ManualClock(), RecordingHypervisor()
        world = World(Estate("t", "westeurope", (plan,), (), ()), clock, random.Random(1))
        timings = Timings(create=constant(2.0), delete=constant(30.0))
        await scenario(Site(clock, hypervisor, world, Provisioning(world, hypervisor, timings, faults or Faults())))

    asyncio.run(run())


def test_the_machine_gets_what_the_vm_was_asked_to_be() -> None:
    """Custom data decoded, size in figures, address, MAC and gateway of its subnet."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(2)
        (spec,) = site.hypervisor.specs
        assert spec == MachineSpec(
            vm_id=vm.vm_id,
            vm_name="n1-1",
            computer_name="n1",
            admin_username="azureuser",
            packed_custom_data=packed(base64.b64encode(b"custom").decode()),
            packed_user_data=None,
            ssh_keys=("ssh-ed25519 AAAA",),
            vm_size="Standard_D4s_v3",
            vcpus=4,
            memory_mib=16384,
            mac="52:54:0a:00:00:04",
            ip="10.0.0.4",
            prefix=24,
            gateway="10.0.0.1",
            tags={"node": "n1"},
        )

    on_site(scenario)


def test_a_vm_is_running_once_its_machine_is_and_succeeded_once_its_guest_says_so() -> None:
    """starting -> running -> Succeeded, each for its own reason."""

    async def scenario(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(2)
        assert (vm.provisioning, vm.power) == ("Creating", "starting")
        site.hypervisor.gate.set()
        await site.clock.advance(1)
        assert (vm.provisioning, vm.power) == ("Creating", "running")
        site.hypervisor.guests[0].ready()
        assert (vm.provisioning, vm.power) == ("Succeeded", "running")

    on_site(scenario)


def test_a_vm_deleted_while_its_machine_boots_leaves_no_machine() -> None:
    """The delete waits for the boot under way, destroys what came of it, and only then is the VM gone."""

    async def scenario(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(2)
        site.provisioning.delete(vm)
        await site.clock.advance(100)
        assert site.names == ["n1-1"], "not gone while something of it may still appear"
        site.hypervisor.gate.set()
        await site.clock.advance(1)
        assert site.hypervisor.machines[0].destroyed == 1
        assert site.names == []

    on_site(scenario)


def test_the_machine_is_destroyed_at_once_and_the_vm_gone_after_the_delay() -> None:
    """What is being deleted no longer runs; its name is free when the delay is over."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(2)
        site.provisioning.delete(vm)
        await site.clock.advance(1)
        assert (site.hypervisor.machines[0].destroyed, site.names) == (1, ["n1-1"])
        await site.clock.advance(29)
        assert site.names == []

    on_site(scenario)


def test_a_machine_that_cannot_be_started_fails_the_create_and_leaves_the_vm() -> None:
    """The VM is Failed with its interface still there, as on Azure; a delete then takes all of it."""

    async def scenario(site: Site) -> None:
        site.hypervisor.broken = True
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(2)
        assert (vm.provisioning, vm.failure and vm.failure[0]) == ("Failed", "InternalExecutionError")
        assert vm.power == "stopped"
        assert len(site.world.group("s", "g").interfaces) == 1
        site.provisioning.delete(vm)
        await site.clock.advance(30)
        assert site.names == list(site.world.group("s", "g").interfaces) == []

    on_site(scenario)


def test_a_put_over_a_failed_create_tries_again() -> None:
    """The remnant of a create whose machine never came is provisioned anew, under the same name and address."""

    async def scenario(site: Site) -> None:
        site.hypervisor.broken = True
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(2)
        site.hypervisor.broken = False
        call = Call("PUT", "/", {"api-version": "2026-04-01"}, {}, json.dumps(BODY).encode(), "https://x", "x", "")
        call.parameters = {"subscriptionId": "s", "resourceGroupName": "g", "vmName": "n1-1"}
        reply = VirtualMachines(site.world, site.provisioning, page_size=1, retry_after=0).put(call)
        assert (reply.status, reply.body["properties"]["provisioningState"]) == (200, "Creating")
        await site.clock.advance(2)
        site.hypervisor.guests[0].ready()
        assert (vm.provisioning, vm.failure, site.names) == ("Succeeded", None, ["n1-1"])

    on_site(scenario)


def test_a_machine_that_does_not_go_keeps_the_vm_until_it_does() -> None:
    """A failed delete leaves the VM Failed and its address taken; the next delete tries again."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(2)
        site.hypervisor.machines[0].stuck = True
        first = site.provisioning.delete(vm)
        await site.clock.advance(31)
        assert (first.status, vm.provisioning, site.names) == ("Failed", "Failed", ["n1-1"])
        site.hypervisor.machines[0].stuck = False
        site.provisioning.delete(vm)
        await site.clock.advance(31)
        assert site.names == []

    on_site(scenario)


def test_what_a_guest_says_after_its_vm_was_given_up_changes_nothing() -> None:
    """A late Ready, failure or halt of a VM that is being deleted is dropped."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(2)
        site.provisioning.delete(vm)
        for say in (site.hypervisor.guests[0].ready, lambda: site.hypervisor.guests[0].failed("x")):
            say()
            assert vm.provisioning == "Deleting"
        site.hypervisor.guests[0].stopped("x")
        await site.clock.advance(30)
        assert site.names == []

    on_site(scenario)


def test_a_guest_that_halts_before_it_was_ready_stays_creating_until_time_is_up() -> None:
    """Azure waits for the report: the VM is stopped, still Creating, and fails when the 40 minutes are over."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(2)
        site.hypervisor.guests[0].stopped("powered off")
        assert (vm.provisioning, vm.power) == ("Creating", "stopped")
        await site.clock.advance(2400)
        assert (vm.provisioning, vm.power) == ("Failed", "stopped")

    on_site(scenario)


def test_closing_waits_for_what_is_under_way_and_closes_the_hypervisor() -> None:
    """A boot that is under way at the end is not left behind unseen."""

    async def scenario(site: Site) -> None:
        site.create()
        await site.clock.advance(2)
        closing = asyncio.ensure_future(site.provisioning.close())
        await asyncio.sleep(0)
        assert not closing.done()
        site.hypervisor.gate.set()
        await closing
        assert (len(site.hypervisor.machines), site.hypervisor.closed) == (1, 1)

    on_site(scenario)


@pytest.mark.parametrize(("name", "grade"), [("az-none-1", "none"), ("az-box-1", "namespace"), ("other", "none")])
def test_the_grade_goes_by_the_first_rule_that_matches(name: str, grade: str) -> None:
    """Rules in order, then the default."""
    grades = Grades("none", [("az-none-*", "none"), ("az-*", "namespace")], {})
    assert grades.grade(name) == grade


def test_only_grades_that_can_be_used_are_started() -> None:
    """A hypervisor nobody can ask for is never made: the namespace grade needs root and an image."""

    async def run() -> None:
        made: list[str] = []

        def maker(grade: str) -> Callable[[], RecordingHypervisor]:
            def make() -> RecordingHypervisor:
                made.append(grade)
                return RecordingHypervisor()

            return make

        grades = Grades("none", [("x*", "none")], {grade: maker(grade) for grade in ("none", "namespace")})
        await grades.start()
        await grades.close()
        assert made == ["none"]

    asyncio.run(run())
