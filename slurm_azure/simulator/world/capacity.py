"""Capacity: for how many VMs of a size Azure has hosts, by location, zone and priority.

Codes and texts: "Troubleshoot allocation failures", "Error messages for Azure Spot Virtual Machines"; the list of constraints:
karpenter-provider-azure's fake of the Compute API, jenkins-infra/azure issue 1416.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from slurm_azure.simulator.offering import Answer, CapacityEntry
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world.vm import VirtualMachine

Key = tuple[str, str, str, str]
"""Location, size (in lower case), zone ('' = none) and priority (regular, spot) of a VM."""

_Key = tuple[str | None, str | None, str | None, str | None]


@dataclass(slots=True)
class _Hosts:
    """As many hosts as there are for the VMs of `key` (location, size, zone, priority; None = any), and how many are taken."""

    key: _Key
    number: int
    answer: Answer | None
    taken: int = 0

    def fits(self, other: Key) -> bool:
        location, size, zone, priority = self.key
        return (
            (location is None or location == other[0])
            and (size is None or size == other[1])
            and (zone is None or zone == other[2])
            and (priority is None or priority == other[3])
        )


class Capacity:
    """Hosts; without a limit there is always one."""

    def __init__(self, entries: Iterable[CapacityEntry] = ()) -> None:
        self._limits: dict[_Key, _Hosts] = {}
        self._taken: dict[VirtualMachine, Key] = {}
        self._held: dict[Any, tuple[Key, int]] = {}
        for entry in entries:
            self.limit(
                entry.hosts,
                location=entry.location,
                size=entry.size,
                zone=entry.zone,
                priority=entry.priority,
                answer=entry.answer,
            )

    def limit(
        self,
        number: int | None,
        *,
        location: str | None = None,
        size: str | None = None,
        zone: str | None = None,
        priority: str | None = None,
        answer: Answer | None = None,
    ) -> None:
        """From now on there are `number` hosts for VMs of that location, size, zone and priority (Regular, Spot), of which
        those in use are taken; None as any of them means any, as `number` that the limit is lifted. A VM needs a host in each
        limit that it falls under. `answer` is the error where there is none left: "SkuNotAvailable" refuses the create call
        itself (409), the others end its operation; None lets the VM's constraints decide."""
        key = (location, size.lower() if size else None, zone, _priority(priority) if priority else None)
        if number is None:
            self._limits.pop(key, None)
            return
        hosts = _Hosts(key, number, answer)
        hosts.taken = sum(hosts.fits(taken) for taken in self._taken.values())
        hosts.taken += sum(number for held, number in self._held.values() if hosts.fits(held))
        self._limits[key] = hosts

    def admit(self, vm: VirtualMachine) -> None:
        """The create call is made: where shortage is told at once, take the host now; raises Refusal (409 SkuNotAvailable)."""
        limits = self._for(vm)
        if not any(hosts.answer == "SkuNotAvailable" for hosts in limits):
            return
        if any(hosts.answer == "SkuNotAvailable" and hosts.taken >= hosts.number for hosts in limits):
            raise sku_not_available(vm.id, vm.location, vm.zones, vm.group.subscription, vm.spot)
        self._take(vm)

    def allocate(self, vm: VirtualMachine) -> tuple[str, str] | None:
        """Find a host for a VM, unless it has one; the error (code, message) of the operation if there is none."""
        if vm in self._taken:
            return None
        for hosts in self._for(vm):
            if hosts.taken >= hosts.number:
                return _failure(vm, hosts.answer)
        self._take(vm)
        return None

    def free(self, vm: VirtualMachine) -> None:
        """A VM needs its host no longer: it was deallocated, deleted or evicted. Idempotent."""
        key = self._taken.pop(vm, None)
        if key is not None:
            self._count(key, -1)

    def resize(self, vm: VirtualMachine) -> None:
        """A VM has another size: if it has a host, that is now one of the new size, whatever the limits."""
        if vm in self._taken:
            self.free(vm)
            self._take(vm)

    def keep(self, vm: VirtualMachine) -> None:
        """A VM has a host, whatever the limits."""
        self._take(vm)

    def has(self, vm: VirtualMachine) -> bool:
        """Whether a VM has a host."""
        return vm in self._taken

    def hold(self, holder: object, key: Key, number: int, check: bool = True) -> tuple[str, str] | None:
        """Keep `number` hosts free for `holder`, in place of what it held before; the error (code, message) if there are not
        so many, unless they are its own whatever the limits, and then it holds what it did."""
        _, before = self._held.get(holder, (key, 0))
        if check and number > before:
            for hosts in self._limits.values():
                if hosts.fits(key) and hosts.taken - before + number > hosts.number:
                    return _shortage(bool(key[2]), hosts.answer, [])
        self._count(key, number - before)
        if number:
            self._held[holder] = key, number
        else:
            self._held.pop(holder, None)
        return None

    def _for(self, vm: VirtualMachine) -> list[_Hosts]:
        if not self._limits:
            return []
        key = _key(vm)
        return [hosts for hosts in self._limits.values() if hosts.fits(key)]

    def _take(self, vm: VirtualMachine) -> None:
        key = _key(vm)
        if vm not in self._taken:
            self._taken[vm] = key
            self._count(key, 1)

    def _count(self, key: Key, sign: int) -> None:
        for hosts in self._limits.values():
            if hosts.fits(key):
                hosts.taken += sign


def sku_not_available(identity: str, location: str, zones: list[str] | None, subscription: str, spot: bool) -> Refusal:
    """409 SkuNotAvailable: the size is restricted, or (`spot`) there is no spare capacity ("Resolve errors for SKU not
    available"; onefuzz issue 557)."""
    what = "tier" if spot else "size"
    return Refusal(
        409,
        "SkuNotAvailable",
        f"The requested {what} for resource '{identity}' is currently not available in location '{location}' zones "
        f"'{','.join(zones or ())}' for subscription '{subscription}'. Please try another {what} or deploy to a different "
        "location or zones. See https://aka.ms/azureskunotavailable for details.",
    )


def _failure(vm: VirtualMachine, answer: Answer | None) -> tuple[str, str]:
    if answer == "SkuNotAvailable":  # the VM had a host once and wants one again
        answer = None
    return _shortage(bool(vm.zones), answer, _constraints(vm))


def _shortage(zonal: bool, answer: Answer | None, constraints: list[str]) -> tuple[str, str]:
    code: str
    if answer is None:
        code = "OverconstrainedAllocationRequest" if constraints else "AllocationFailed"
        code = _ZONAL[code] if zonal else code
    else:
        code = answer
    if code in ("AllocationFailed", "ZonalAllocationFailed"):
        where = "zone" if code == "ZonalAllocationFailed" else "region"
        return code, (
            f"Allocation failed. We do not have sufficient capacity for the requested VM size in this {where}. Read more about "
            "improving likelihood of allocation success at https://aka.ms/allocation-guidance"
        )
    listed = [*constraints, "VM Size", *(["Availability Zone"] if "Zonal" in code else [])]
    return code, (
        "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too "
        "restrictive. Please remove some constraints and try again. Constraints applied are:\n"
        + "".join(f"  - {constraint}\n" for constraint in listed)
    )


_ZONAL = {
    "AllocationFailed": "ZonalAllocationFailed",
    "OverconstrainedAllocationRequest": "OverconstrainedZonalAllocationRequest",
}


def _constraints(vm: VirtualMachine) -> list[str]:
    """What a VM asks for beside its size and zone, in Azure's words."""
    found = []
    if (vm.model.get("storageProfile", {}).get("osDisk") or {}).get("diffDiskSettings"):
        found.append("Differencing (Ephemeral) Disks")
    if any(interface.accelerated for interface in vm.interfaces):
        found.append("Networking Constraints (such as Accelerated Networking or IPv6)")
    if vm.spot:
        found.append("Low Priority VMs")
    return found


def _key(vm: VirtualMachine) -> Key:
    return (vm.location, vm.size.name.lower(), vm.zones[0] if vm.zones else "", "spot" if vm.spot else "regular")


def _priority(text: str) -> str:
    return "regular" if text.lower() == "regular" else "spot"
