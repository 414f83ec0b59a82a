"""What a plan of faults does to hosts, machines and deletions, and what the machines are told to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.machines.none import NoHypervisor
from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world.trouble import AllocationFault, BootFault, DeletionFault
from slurm_azure.simulator.world.vm import VirtualMachine
from tests.simulator.test_provisioning import Site, on_site


class Planned(Faults):
    """Always the same faults."""

    def __init__(
        self,
        boot: BootFault | None = None,
        allocation: AllocationFault | None = None,
        deletion: DeletionFault | None = None,
    ) -> None:
        super().__init__()
        self.of_boot, self.of_allocation, self.of_deletion = boot, allocation, deletion
        self.boots = 0

    def boot(self, vm: VirtualMachine) -> BootFault:
        self.boots += 1
        return self.of_boot or BootFault()

    def allocation(self, vm: VirtualMachine) -> AllocationFault | None:
        return self.of_allocation

    def deletion(self, vm: VirtualMachine) -> DeletionFault:
        return self.of_deletion or DeletionFault()


def with_faults(scenario: Callable[[Site], Awaitable[None]], **faults: Any) -> Planned:
    """Run a scenario with machines of grade none that are ready after 20 s."""
    planned = Planned(**faults)

    async def run(site: Site) -> None:
        site.provisioning._hypervisor = NoHypervisor(site.clock, site.world.random, constant(20.0))
        await scenario(site)

    on_site(run, planned)
    return planned


def failure(vm: VirtualMachine) -> str:
    assert vm.failure is not None
    return vm.failure[0]


def test_no_host_at_the_usual_time_or_at_another() -> None:
    """The create fails as planned, with no power state: there never was a machine."""

    async def usual(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(1)
        assert vm.provisioning == "Creating"
        await site.clock.advance(1)
        assert (vm.provisioning, failure(vm), vm.power, vm.hosted) == ("Failed", "ZonalAllocationFailed", None, False)

    async def late(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(99)
        assert vm.provisioning == "Creating"
        await site.clock.advance(1)
        assert vm.provisioning == "Failed"

    with_faults(usual, allocation=AllocationFault("ZonalAllocationFailed", "none"))
    with_faults(late, allocation=AllocationFault("AllocationFailed", "none", seconds=100.0))


def test_a_slow_boot_is_slower_by_so_much() -> None:
    """Running, and not ready until then; asked once for one boot."""

    async def scenario(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(2 + 20 + 59)
        assert (vm.provisioning, vm.power) == ("Creating", "running")
        await site.clock.advance(1)
        assert (vm.provisioning, vm.power) == ("Succeeded", "running")

    assert with_faults(scenario, boot=BootFault(slower=60.0)).boots == 1


def test_a_guest_that_never_reports_times_out() -> None:
    """Running, Creating for 40 minutes, then OSProvisioningTimedOut; the console shows where it is stuck."""

    async def scenario(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(2 + 2399)
        assert (vm.provisioning, vm.power) == ("Creating", "running")
        assert vm.machine is not None
        assert b"no limit" in vm.machine.console()
        await site.clock.advance(1)
        assert (vm.provisioning, failure(vm), vm.power) == ("Failed", "OSProvisioningTimedOut", "running")

    with_faults(scenario, boot=BootFault(never_ready=True))


@pytest.mark.parametrize("fault", [BootFault(never_ready=True), BootFault(failure="no disk")])
def test_what_the_agent_says_against_the_plan_is_not_heard(fault: BootFault) -> None:
    """A Ready that reaches the wire server all the same does not end the create."""

    async def scenario(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(3)
        site.provisioning.guest_ready(vm)
        assert vm.provisioning == "Creating"

    with_faults(scenario, boot=fault)


def test_a_guest_that_fails_says_why() -> None:
    """OSProvisioningClientError with the plan's words, when the boot would have been over; the machine runs on."""

    async def scenario(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(21)
        assert vm.provisioning == "Creating"
        await site.clock.advance(1)
        assert (vm.provisioning, failure(vm), vm.power) == ("Failed", "OSProvisioningClientError", "running")
        assert vm.failure is not None
        assert "Error details: no disk" in vm.failure[1]

    with_faults(scenario, boot=BootFault(failure="no disk"))


def test_an_error_of_the_create_leaves_the_machine_alone() -> None:
    """The operation fails so long after power-on; the guest comes up and nobody minds."""

    async def scenario(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(2 + 9)
        assert vm.provisioning == "Creating"
        await site.clock.advance(1)
        assert (vm.provisioning, failure(vm)) == ("Failed", "VMExtensionProvisioningError")
        await site.clock.advance(60)
        assert (vm.provisioning, vm.power) == ("Failed", "running")

    with_faults(scenario, boot=BootFault(error=("VMExtensionProvisioningError", "x"), error_after=10.0))


@pytest.mark.parametrize("state", ["stopped", "running", "deallocated"])
def test_a_machine_dies_in_its_time(state: str) -> None:
    """Gone without a word, shown as the plan says; a VM that lost its host has it no more. A start boots it anew."""

    async def scenario(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(2 + 99)
        assert (vm.power, vm.machine is None) == ("running", False)
        await site.clock.advance(1)
        assert (vm.provisioning, vm.power, vm.machine) == ("Succeeded", state, None)
        assert vm.hosted == (state != "deallocated")
        if state != "running":
            operation = site.provisioning.start(vm)
            await site.clock.advance(30)
            assert (operation.status, vm.power, vm.machine is None) == ("Succeeded", "running", False)

    with_faults(scenario, boot=BootFault(dies_after=100.0, dead_state=state))


def test_a_machine_that_dies_while_it_boots() -> None:
    """Its VM waits for a report that never comes; one that is deleted in time dies no second death."""

    async def waits(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(10)
        assert (vm.provisioning, vm.power) == ("Creating", "stopped")
        await site.clock.advance(2400)
        assert failure(vm) == "OSProvisioningTimedOut"

    async def deleted(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(4)
        site.provisioning.delete(vm)
        await site.clock.advance(100)
        assert (site.names, vm.power) == ([], None)

    with_faults(waits, boot=BootFault(dies_after=5.0))
    with_faults(deleted, boot=BootFault(dies_after=5.0))


def test_a_guest_is_cut_off_once_it_is_ready() -> None:
    """Not before: it has to report. The VM itself looks well."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(3)
        assert site.hypervisor.machines[0].done == []
        site.hypervisor.guests[0].ready()
        await site.clock.advance(1)
        assert (site.hypervisor.machines[0].done, vm.provisioning, vm.power) == (["cut off"], "Succeeded", "running")

    on_site(scenario, Planned(boot=BootFault(cut_off=True)))


def test_a_machine_is_told_of_faults_that_it_has_to_play() -> None:
    """Silence and failure are in its specification, for a real machine has to do them itself."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        site.create()
        await site.clock.advance(3)
        (spec,) = site.hypervisor.specs
        assert (spec.silent, spec.failure) == (False, "no disk")

    on_site(scenario, Planned(boot=BootFault(failure="no disk")))


def test_a_freeze_pauses_the_machine_for_its_duration() -> None:
    """Paused when the event starts, resumed five seconds later, and then the event is over."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(3)
        site.provisioning.announce("Freeze", [vm], notice=10.0)
        await site.clock.advance(11)
        assert site.hypervisor.machines[0].done == ["pause"]
        await site.clock.advance(5)
        assert site.hypervisor.machines[0].done == ["pause", "resume"]
        assert site.world.events.of(vm) == []

    on_site(scenario)


def test_a_slow_delete_and_one_that_fails() -> None:
    """Later by so much; or not at all: the VM stays with its machine, Failed, and the operation tells why."""

    async def slow(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(30)
        site.provisioning.delete(vm)
        await site.clock.advance(30 + 899)
        assert site.names == ["n1-1"]
        await site.clock.advance(1)
        assert site.names == []

    async def fails(site: Site) -> None:
        vm = site.create()
        await site.clock.advance(30)
        operation = site.provisioning.delete(vm)
        await site.clock.advance(30)
        assert (operation.status, operation.error) == ("Failed", ("InternalExecutionError", "x"))
        assert (site.names, vm.provisioning, vm.power, vm.machine is None) == (["n1-1"], "Failed", "running", False)

    with_faults(slow, deletion=DeletionFault(slower=900.0))
    with_faults(fails, deletion=DeletionFault(failure=("InternalExecutionError", "x")))


def test_a_boot_that_is_given_up_says_nothing_any_more() -> None:
    """What the machine before the last restart says is not taken for the present one's word."""

    async def scenario(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(3)
        site.hypervisor.guests[0].ready()
        operation = site.provisioning.restart(vm)
        await site.clock.advance(1)
        assert [machine.destroyed for machine in site.hypervisor.machines] == [1, 0]
        for say in (site.hypervisor.guests[0].ready, site.hypervisor.guests[0].up):
            say()
        site.hypervisor.guests[0].stopped("late")
        site.hypervisor.guests[0].failed("late")
        assert (operation.status, vm.power) == ("InProgress", "running")
        site.hypervisor.guests[1].up()
        assert (operation.status, vm.provisioning) == ("Succeeded", "Succeeded")

    on_site(scenario)


def test_a_start_that_never_comes_up_fails_in_the_end() -> None:
    """VMStartTimedOut; and a machine that cannot be taken away fails the operation that wanted it gone."""

    async def late(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(3)
        site.hypervisor.guests[0].ready()
        operation = site.provisioning.restart(vm)
        await site.clock.advance(2401)
        assert operation.error is not None
        assert (operation.status, operation.error[0], vm.provisioning) == ("Failed", "VMStartTimedOut", "Failed")

    async def stuck(site: Site) -> None:
        site.hypervisor.gate.set()
        vm = site.create()
        await site.clock.advance(3)
        site.hypervisor.guests[0].ready()
        site.hypervisor.machines[0].stuck = True
        operation = site.provisioning.deallocate(vm)
        await asyncio.sleep(0)
        await site.clock.advance(1)
        assert (operation.status, vm.provisioning) == ("Failed", "Failed")

    on_site(late)
    on_site(stuck)
