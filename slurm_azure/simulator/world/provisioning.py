"""The life of a VM in time: a host is found, the machine boots, the guest reports, and one day everything is taken away."""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Coroutine
from dataclasses import dataclass

from slurm_azure.simulator.faults.faults import AllocationFault, Faults
from slurm_azure.simulator.machines.machine import Hypervisor, MachineSpec
from slurm_azure.simulator.timing import Distribution
from slurm_azure.simulator.world import operations as op
from slurm_azure.simulator.world import sizes
from slurm_azure.simulator.world.vm import CREATING, DELETING, FAILED, SUCCEEDED, VirtualMachine, unpacked
from slurm_azure.simulator.world.world import World

log = logging.getLogger(__name__)

# "VM create fails after 40 min of provisioning" (Custom data and cloud-init on Azure Virtual Machines, Microsoft Learn).
PROVISIONING_TIMEOUT = 2400.0


@dataclass(frozen=True, slots=True)
class Timings:
    """How long it takes Azure to find a host and power it on, and to delete a VM. (Booting is the machine's affair.)"""

    create: Distribution
    delete: Distribution


@dataclass(frozen=True, slots=True)
class VmGuest:
    """The line from a machine back to its VM; what comes after the VM was given up is dropped."""

    provisioning: Provisioning
    vm: VirtualMachine

    def ready(self) -> None:
        """The guest finished provisioning."""
        self.provisioning.guest_ready(self.vm)

    def failed(self, detail: str) -> None:
        """The guest could not be provisioned."""
        self.provisioning.guest_failed(self.vm, detail)

    def stopped(self, detail: str) -> None:
        """The guest powered itself off."""
        self.provisioning.guest_stopped(self.vm, detail)


class Provisioning:
    """Moves VMs through their states. Every method is to be called in the event loop."""

    def __init__(self, world: World, hypervisor: Hypervisor, timings: Timings, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._clock = world.clock
        self._hypervisor = hypervisor
        self._timings = timings
        self._tasks: set[asyncio.Task[None]] = set()

    def create(self, vm: VirtualMachine) -> None:
        """Begin to provision a VM that has just been written down; its operation is `vm.operation`."""
        vm.operation = self._world.operations.begin(vm.group.subscription, vm.location)
        self._enter(vm, CREATING)
        seconds, fault = self._timings.create.sample(self._world.random), self._faults.allocation(vm)
        if fault is not None and fault.seconds is not None:
            seconds = fault.seconds
        vm.timer = self._clock.call_later(seconds, lambda: self._host_found(vm, fault))

    def _host_found(self, vm: VirtualMachine, fault: AllocationFault | None) -> None:
        failure = self._world.capacity.allocate(vm) if fault is None else (fault.code, fault.message)
        if failure is not None:
            self._fail(vm, *failure)
            return
        vm.timer = self._clock.call_later(PROVISIONING_TIMEOUT, lambda: self._timed_out(vm))
        vm.power = "starting"
        vm.booting = self._spawn(self._boot(vm))

    async def _boot(self, vm: VirtualMachine) -> None:
        try:
            vm.machine = await self._hypervisor.boot(machine_spec(vm), VmGuest(self, vm))
        except Exception:
            log.exception("the machine of VM %s cannot be started", vm.name)
            self._fail(vm, "InternalExecutionError", "An internal execution error occurred. Please retry later.")
            return
        finally:
            vm.booting = None
        if vm.power == "starting":
            vm.power = "running"

    def guest_ready(self, vm: VirtualMachine) -> None:
        """The guest agent said Ready: the create operation succeeds."""
        if vm.provisioning != CREATING:
            return
        vm.power = "running"
        self._end(vm, SUCCEEDED, op.SUCCEEDED, None)

    def guest_failed(self, vm: VirtualMachine, detail: str) -> None:
        """The guest agent said NotReady for good. Text: "Understand common error messages", Virtual Machines."""
        self._fail(
            vm,
            "OSProvisioningClientError",
            f"OS provisioning for VM '{vm.name}' failed. Error details: {detail} "
            "Make sure the image has been properly prepared (generalized).",
        )

    def guest_stopped(self, vm: VirtualMachine, detail: str) -> None:
        """The guest powered itself off: the VM stays where it is, and is billed ("States and billing status")."""
        if vm.provisioning == DELETING:
            return
        log.info("VM %s stopped: %s", vm.name, detail)
        vm.power = "stopped"
        vm.changed = self._clock.now()

    def _timed_out(self, vm: VirtualMachine) -> None:
        self._fail(
            vm,
            "OSProvisioningTimedOut",
            f"OS Provisioning for VM '{vm.name}' did not finish in the allotted time. The VM may still finish provisioning "
            "successfully. Please check provisioning state later.",
        )

    def _fail(self, vm: VirtualMachine, code: str, message: str) -> None:
        if vm.provisioning == CREATING:
            self._end(vm, FAILED, op.FAILED, (code, message))

    def _end(self, vm: VirtualMachine, state: str, status: str, failure: tuple[str, str] | None) -> None:
        self._enter(vm, state)
        vm.failure = failure
        if vm.operation is not None:
            self._world.operations.end(vm.operation, status, failure)
            vm.operation = None

    def _enter(self, vm: VirtualMachine, state: str) -> None:
        vm.provisioning = state
        vm.changed = self._clock.now()
        if vm.timer is not None:
            vm.timer.cancel()
            vm.timer = None

    def delete(self, vm: VirtualMachine) -> op.Operation:
        """Begin to take a VM away, or go on if that has begun; an operation that was under way is preempted."""
        if vm.provisioning == DELETING and vm.operation is not None:
            return vm.operation
        preempted = ("OperationPreempted", "The operation has been preempted by a more recent operation.")
        self._end(vm, DELETING, op.CANCELED, preempted)
        vm.failure = None
        vm.operation = self._world.operations.begin(vm.group.subscription, vm.location)
        fault = self._faults.deletion(vm)
        due = self._clock.now() + self._timings.delete.sample(self._world.random) + fault.slower
        if fault.failure is not None:
            self._stays(vm, due, fault.failure)
        elif vm.booting is None and vm.machine is None:
            self._gone_at(vm, due)
        else:
            self._spawn(self._destroy(vm, due))
        return vm.operation

    def _stays(self, vm: VirtualMachine, due: float, failure: tuple[str, str]) -> None:
        seconds = max(0.0, due - self._clock.now())
        vm.timer = self._clock.call_later(seconds, lambda: self._end(vm, FAILED, op.FAILED, failure))

    async def _destroy(self, vm: VirtualMachine, due: float) -> None:
        if vm.booting is not None:
            await asyncio.wait([vm.booting])
        try:
            if vm.machine is not None:
                await vm.machine.destroy()
        except Exception:
            log.exception("the machine of VM %s cannot be taken away", vm.name)
            error = ("InternalExecutionError", "An internal execution error occurred. Please retry later.")
            self._end(vm, FAILED, op.FAILED, error)
            return
        vm.machine = None
        self._gone_at(vm, due)

    def _gone_at(self, vm: VirtualMachine, due: float) -> None:
        vm.power = None
        vm.timer = self._clock.call_later(max(0.0, due - self._clock.now()), lambda: self._gone(vm))

    def _gone(self, vm: VirtualMachine) -> None:
        self._world.drop_vm(vm)
        self._end(vm, DELETING, op.SUCCEEDED, None)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Wait for what is being booted or taken away, then take away all machines."""
        for group in self._world.groups.values():
            for vm in group.vms.values():
                if vm.timer is not None:
                    vm.timer.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))
        await self._hypervisor.close()


def machine_spec(vm: VirtualMachine) -> MachineSpec:
    """What the machine behind a VM is made of."""
    profile = vm.model.get("osProfile", {})
    linux = profile.get("linuxConfiguration", {})
    size = sizes.figures(vm.model["hardwareProfile"]["vmSize"])
    nic = vm.primary
    return MachineSpec(
        vm_id=vm.vm_id,
        vm_name=vm.name,
        computer_name=vm.computer_name,
        admin_username=profile.get("adminUsername", ""),
        custom_data=_decoded(vm.custom_data),
        user_data=_decoded(vm.user_data),
        ssh_keys=tuple(key["keyData"] for key in linux.get("ssh", {}).get("publicKeys", ())),
        vm_size=size.name,
        vcpus=size.vcpus,
        memory_mib=size.memory_mib,
        mac=nic.mac,
        ip=nic.ip,
        prefix=nic.subnet.prefix.prefixlen,
        gateway=nic.subnet.gateway,
        tags=vm.tags,
    )


def _decoded(data: bytes | None) -> bytes | None:
    text = unpacked(data)
    return None if text is None else base64.b64decode(text)
