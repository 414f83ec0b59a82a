"""What is asked of VMs: to be made, started, stopped, moved, and one day taken away with everything that is theirs.

What each operation does to power and provisioning state: "States and billing status of Azure Virtual Machines"; which is
refused when, and the texts: "Understand common error messages when you manage virtual machines in Azure"; what a disk on the
host cannot do: "Ephemeral OS disks for Azure VMs" (all Microsoft Learn).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from slurm_azure.simulator.refusal import Refusal, marked_for_deletion
from slurm_azure.simulator.world import operations as op
from slurm_azure.simulator.world import spot_price
from slurm_azure.simulator.world.hosting import Hosting
from slurm_azure.simulator.world.scheduled_events import MINIMUM_NOTICE, REBOOT, REDEPLOY, TERMINATE, USER
from slurm_azure.simulator.world.vm import CREATING, DELETING, FAILED, UPDATING, VirtualMachine, part

_MINUTES: Final = re.compile(r"PT(\d{1,2})M")
_ALLOCATED: Final = ("starting", "running", "stopping", "stopped")


class VmOperations(Hosting):
    """The operations on VMs. Each begins one and returns it at once, or raises Refusal (409); what takes time goes on by the
    world's clock."""

    def create(self, vm: VirtualMachine) -> None:
        """Begin to provision a VM that has just been written down; its operation is `vm.operation`."""
        self._begin(vm, CREATING, "CreateOrUpdate")
        self._find_host(vm)

    def go_on(self) -> None:
        """The simulator was started anew: what was under way begins its present step again, and machines boot again. What was
        announced to VMs and had not begun is forgotten."""
        for group in self._world.groups.values():
            for vm in list(group.vms.values()):
                self._go_on(vm)

    def _go_on(self, vm: VirtualMachine) -> None:
        kind = vm.operation.kind.rpartition("_")[2] if vm.operation is not None else ""
        if vm.provisioning == DELETING:
            self._dismantle(vm, False)
        elif vm.power == "deallocating":
            self._release(vm)
        elif vm.power == "stopping" and kind == "PowerOff":
            self._after(vm, self._seconds("stop"), lambda: self._powered_off(vm))
        elif vm.power in ("stopping", "starting") or (kind == "CreateOrUpdate" and vm.power == "running"):
            self._power_on(vm)
        elif vm.operation is not None and not vm.hosted:
            self._find_host(vm)
        else:
            if vm.power == "running":
                self._start_machine(vm)
            if vm.operation is not None:
                self._after(vm, self._seconds("create"), lambda: self._succeed(vm))

    def start(self, vm: VirtualMachine) -> op.Operation:
        """Power on. A VM that was deallocated needs a host first, and may not get one (the operation fails then).

        The machine boots anew: with a fresh root file system, for that of a namespace machine lives in its mount namespace
        and ends with it. On Azure the OS disk would still have what was written to it.
        """
        self.admit(vm, "start")
        if not vm.hosted:
            spot_price.check(self._world.prices, vm, spot_price.START)
        operation = self._begin(vm, UPDATING, "Start")
        if self._ill_fated(vm):
            return operation
        if vm.power in ("starting", "running"):
            self._succeed(vm)
        elif vm.hosted:
            self._take_machine(vm, lambda: self._after(vm, self._seconds("create"), lambda: self._power_on(vm)))
        else:
            self._find_host(vm)
        return operation

    def power_off(self, vm: VirtualMachine, skip_shutdown: bool = False) -> op.Operation:
        """Stop; the VM keeps its host and is billed. `skip_shutdown` does not wait for the guest.

        "Stop/Start of VM: Not Supported" for ephemeral OS disks is the table's; live tests of Azure's SDK for Java do both.
        """
        self.admit(vm, "powerOff")
        self._refuse_ephemeral(vm, "powerOff")
        self._refuse_deallocated(vm, "powerOff")
        operation = self._begin(vm, UPDATING, "PowerOff")
        if self._ill_fated(vm):
            return operation
        if vm.power == "stopped":
            self._succeed(vm)
            return operation
        self._show(vm, "stopping")
        due = self._clock.now() + (0.0 if skip_shutdown else self._seconds("stop"))
        self._take_machine(vm, lambda: self._until(vm, due, lambda: self._powered_off(vm)))
        return operation

    def _powered_off(self, vm: VirtualMachine) -> None:
        self._show(vm, "stopped")
        self._succeed(vm)

    def deallocate(self, vm: VirtualMachine, hibernate: bool = False) -> op.Operation:
        """Stop and give the host back: no longer billed for it, while quota, disks and addresses stay taken.

        `hibernate` needs a VM that was made for it and is running; the next start boots anew all the same, since no memory is
        kept here ("Hibernation for Azure virtual machines"; the words of the refusals are from memory of its trouble-shooting
        page).
        """
        self.admit(vm, "deallocate")
        self._refuse_ephemeral(vm, "deallocate")
        if hibernate:
            _check_hibernation(vm)
        operation = self._begin(vm, UPDATING, "Deallocate")
        if self._ill_fated(vm):
            return operation
        if vm.power == "deallocated":
            self._succeed(vm)
        else:
            vm.hibernated = hibernate
            self._release(vm)
        return operation

    def _release(self, vm: VirtualMachine) -> None:
        """Take machine and host from a VM whose operation has begun, which ends with that."""
        self._show(vm, "deallocating")
        due = self._clock.now() + self._seconds("delete")
        self._take_machine(vm, lambda: self._until(vm, due, lambda: self._deallocated(vm)))

    def _deallocated(self, vm: VirtualMachine) -> None:
        self._show(vm, "deallocated")
        self._lose_host(vm)
        self._succeed(vm)

    def restart(self, vm: VirtualMachine) -> op.Operation:
        """Reboot on the same host; if the guest listens to Scheduled Events, not before it agrees or its notice is over."""
        self.admit(vm, "restart")
        self._refuse_deallocated(vm, "restart")
        self._refuse_stopped(vm)
        operation = self._begin(vm, UPDATING, "Restart")
        if self._ill_fated(vm):
            return operation
        self._when_told(vm, REBOOT, lambda: self._reboot(vm))
        return operation

    def redeploy(self, vm: VirtualMachine) -> op.Operation:
        """Move to another host, which costs what is on the host's own disks, and power on there. With notice, as `restart`."""
        self.admit(vm, "redeploy")
        self._refuse_deallocated(vm, "redeploy")
        operation = self._begin(vm, UPDATING, "Redeploy")
        if self._ill_fated(vm):
            return operation
        self._when_told(vm, REDEPLOY, lambda: self._move(vm))
        return operation

    def reapply(self, vm: VirtualMachine) -> op.Operation:
        """Apply the model again: nothing changes but the provisioning state, which is Succeeded afterwards."""
        self.admit(vm, "reapply")
        operation = self._begin(vm, UPDATING, "Reapply")
        if self._ill_fated(vm):
            return operation
        self._after(vm, self._seconds("create"), lambda: self._succeed(vm))
        return operation

    def _ill_fated(self, vm: VirtualMachine) -> bool:
        """Whether a fault lets the operation that has just begun fail: then it changes nothing but the provisioning state."""
        fault = self._trouble.ending(vm)
        if fault is None:
            return False
        failure = fault.code, fault.message
        self._after(vm, fault.seconds or 0.0, lambda: self._over(vm, FAILED, op.FAILED, failure))
        return True

    def _when_told(self, vm: VirtualMachine, kind: str, work: Callable[[], None]) -> None:
        """Do `work` for an operation that has begun. "Events won't proceed unless they are either approved via a POST message
        or the NotBefore time elapses. This includes user triggered events" (Scheduled Events for Linux VMs)."""
        if not self._world.events.on(vm):
            work()
            return
        operation = vm.operation

        def begin() -> None:
            if vm.operation is operation:
                work()
            else:
                self._world.events.finish(event)

        event = self._world.events.schedule(kind, [vm], begin, source=USER)

    def _reboot(self, vm: VirtualMachine) -> None:
        self._show(vm, "stopping")
        due = self._clock.now() + self._seconds("stop")
        self._take_machine(vm, lambda: self._until(vm, due, lambda: self._power_on(vm)))

    def _move(self, vm: VirtualMachine) -> None:
        self._show(vm, "stopping")
        due = self._clock.now() + self._seconds("create")
        self._take_machine(vm, lambda: self._until(vm, due, lambda: self._power_on(vm)))

    def _until(self, vm: VirtualMachine, due: float, step: Callable[[], None]) -> None:
        self._after(vm, due - self._clock.now(), step)

    def _seconds(self, what: str) -> float:
        span: float = getattr(self._timings, what).sample(self._world.random)
        return span

    def admit(self, vm: VirtualMachine, verb: str) -> None:
        """Raises Refusal (409) if something is going on with `vm` that an operation has to wait for."""
        if vm.provisioning == DELETING:
            raise marked_for_deletion(verb, vm.name)
        if vm.operation is not None:
            raise _not_allowed(f"Operation '{verb}' is not allowed on VM '{vm.name}' since another operation is in progress.")
        if vm.awaited:
            code = "ResourceUpdateBlockedOnPlatformUpdate"
            message = "Resource cannot be updated at this time due to ongoing platform update. Please try again later."
            raise Refusal(409, code, message)

    def _refuse_ephemeral(self, vm: VirtualMachine, verb: str) -> None:
        """That it is refused is documented, the words are not."""
        if vm.ephemeral:
            why = "since its OS disk is ephemeral. Please refer to https://aka.ms/Ephemeral for more details."
            raise _not_allowed(f"Operation '{verb}' is not allowed on VM '{vm.name}' {why}")

    def _refuse_deallocated(self, vm: VirtualMachine, verb: str) -> None:
        if vm.power not in _ALLOCATED:
            why = "since the VM is either deallocated or marked to be deallocated."
            raise _not_allowed(f"Operation '{verb}' is not allowed on VM '{vm.name}' {why}")

    def _refuse_stopped(self, vm: VirtualMachine) -> None:
        if vm.power not in ("starting", "running"):
            raise _not_allowed("The operation requires the VM to be running (or set to run).")

    def delete(self, vm: VirtualMachine, force: bool = False) -> op.Operation:
        """Begin to take a VM away, or go on if that has begun; an operation that was under way is preempted. A VM with a
        terminate notification stays as it is until it agrees or its time is over, unless deleted by `force`."""
        if vm.provisioning == DELETING and vm.operation is not None:
            if force:
                self._hasten(vm)
            return vm.operation
        operation = self._begin(vm, DELETING, "Delete")
        if self._ill_fated(vm):
            return operation
        self._world.events.withdraw(vm)
        notice = terminate_notice(vm)
        if notice is None or force or vm.machine is None:
            self._dismantle(vm, force)
        else:
            self._world.events.schedule(TERMINATE, [vm], lambda: self._dismantle(vm, False), notice, USER)
        return operation

    def _hasten(self, vm: VirtualMachine) -> None:
        for event in self._world.events.of(vm):
            if event.kind == TERMINATE:
                self._world.events.start(event)

    def _dismantle(self, vm: VirtualMachine, force: bool) -> None:
        fault = self._trouble.deletion(vm)
        due = self._clock.now() + self._seconds("force_delete" if force else "delete") + fault.slower
        failure = fault.failure
        if failure is not None:
            self._until(vm, due, lambda: self._over(vm, FAILED, op.FAILED, failure))
        else:
            self._take_machine(vm, lambda: self._gone_at(vm, due))

    def _gone_at(self, vm: VirtualMachine, due: float) -> None:
        self._show(vm, None)
        self._until(vm, due, lambda: self._gone(vm))

    def _gone(self, vm: VirtualMachine) -> None:
        self._world.drop_vm(vm)
        self._end(vm, DELETING, op.SUCCEEDED, None)


def terminate_notice(vm: VirtualMachine) -> float | None:
    """How many seconds a VM is told of its deletion beforehand; None if it is not. "Terminate notification for Azure Virtual
    Machine Scale Set instances": 5 minutes to 15, 5 unless told; not for Spot VMs."""
    profile = part(vm.model, "scheduledEventsProfile", "terminateNotificationProfile")
    if profile.get("enable") is not True or vm.spot:
        return None
    minutes = _MINUTES.fullmatch(str(profile.get("notBeforeTimeout", "")))
    return min(max(60.0 * int(minutes[1]), MINIMUM_NOTICE[TERMINATE]), 900.0) if minutes else MINIMUM_NOTICE[TERMINATE]


def _check_hibernation(vm: VirtualMachine) -> None:
    if part(vm.model, "additionalCapabilities").get("hibernationEnabled") is not True:
        raise _not_allowed("The Hibernate-Deallocate Operation can only be triggered on a VM that has hibernation enabled.")
    if vm.power != "running":
        raise _not_allowed(
            "The Hibernate-Deallocate Operation can only be triggered on a VM that is successfully provisioned and is running."
        )


def _not_allowed(message: str) -> Refusal:
    return Refusal(409, "OperationNotAllowed", message)
