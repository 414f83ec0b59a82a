"""Quotas: how many cores of which family a subscription may have in a region, and how many it has.

A VM counts from its create call to its end, deallocated or not ("Check vCPU quotas": "vCPU quotas are based on the total
number of cores in use both allocated and deallocated"). Spot VMs count in a pool of their own, and neither in their family's
nor in the region's ("Use Azure Spot Virtual Machines": "quota for your Spot virtual machines is separate"). Text of the
refusal: karpenter-provider-azure issue 192, cb-spider issue 1558; that of the number of VMs has no source and follows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from slurm_azure.simulator.offering import QuotaEntry
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world.skus import Size
from slurm_azure.simulator.world.vm import VirtualMachine

CORES, SPOT_CORES, MACHINES = "cores", "lowPriorityCores", "virtualMachines"
# Azure's own defaults for cores depend on the offer and are small; these are there not to be in the way.
DEFAULT_FAMILY, DEFAULT_CORES = 1_000_000, 2_000_000
DEFAULT_MACHINES = 25_000  # "VMs per subscription: 25,000 per region" (Azure subscription and service limits)

_DEFAULTS = {CORES.lower(): DEFAULT_CORES, SPOT_CORES.lower(): DEFAULT_CORES, MACHINES.lower(): DEFAULT_MACHINES}
_NAMES = {
    CORES: ("Total Regional Cores", "Total Regional vCPUs"),
    SPOT_CORES: ("LowPriorityCores", "Total Regional Low-priority vCPUs"),
    MACHINES: ("Virtual Machines", "Virtual Machines"),
}


@dataclass(frozen=True, slots=True)
class Usage:
    """One line of the list of usages."""

    name: str
    used: int
    limit: int

    @property
    def text(self) -> str:
        """The name as people read it: "Standard DSv3 Family vCPUs"."""
        return _NAMES[self.name][1] if self.name in _NAMES else f"{_family(self.name)} vCPUs"


@dataclass(frozen=True, slots=True)
class _Held:
    place: tuple[str, str]
    size: Size
    number: int

    def items(self) -> tuple[tuple[str, int], ...]:
        cores = self.size.quota_vcpus * self.number
        return (self.size.family, cores), (CORES, cores)


@dataclass(frozen=True, slots=True)
class _Charge:
    place: tuple[str, str]  # subscription and location
    size: Size
    spot: bool

    def items(self) -> tuple[tuple[str, int], ...]:
        cores = self.size.quota_vcpus
        if self.spot:
            return (SPOT_CORES, cores), (MACHINES, 1)
        return (self.size.family, cores), (CORES, cores), (MACHINES, 1)


class Quotas:
    """Limits and usage by subscription, region and name."""

    def __init__(self, entries: Iterable[QuotaEntry] = ()) -> None:
        self._limits: dict[tuple[str | None, str | None, str], int] = {}
        self._used: dict[tuple[str, str], dict[str, int]] = {}
        self._charged: dict[VirtualMachine, _Charge] = {}
        self._held: dict[Any, _Held] = {}
        for entry in entries:
            self.limit(entry.subscription, entry.location, entry.name, entry.limit)

    def limit(self, subscription: str | None, location: str | None, name: str, limit: int | None) -> None:
        """Set a limit from now on, for what is there already too; None as subscription or location means any, as `limit` that
        the default holds again. `name`: cores, virtualMachines, lowPriorityCores or a family."""
        key = (subscription and subscription.lower(), location and location.lower(), name.lower())
        if limit is None:
            self._limits.pop(key, None)
        else:
            self._limits[key] = limit

    def limit_of(self, subscription: str, location: str, name: str) -> int:
        """The limit that holds: the most particular one that was set, else the default."""
        owner, name = subscription.lower(), name.lower()
        if self._limits:
            for key in ((owner, location, name), (owner, None, name), (None, location, name), (None, None, name)):
                if key in self._limits:
                    return self._limits[key]
        return _DEFAULTS.get(name, DEFAULT_FAMILY)

    def take(self, vm: VirtualMachine) -> None:
        """Charge a new VM; raises Refusal (409 OperationNotAllowed) and charges nothing if a limit would be exceeded."""
        charge = _charge(vm, vm.size)
        self._check(charge, {})
        self._add(charge, 1)
        self._charged[vm] = charge

    def resize(self, vm: VirtualMachine, size: Size, back: bool = False) -> None:
        """Charge a VM for another size in place of its own; raises Refusal (409) and changes nothing, unless it is to have the
        old size `back`."""
        old, new = self._charged.get(vm), _charge(vm, size)
        if not back:
            self._check(new, dict(old.items()) if old else {})
        if old is not None:
            self._add(old, -1)
        self._add(new, 1)
        self._charged[vm] = new

    def give_back(self, vm: VirtualMachine) -> None:
        """A VM is gone. Idempotent."""
        charge = self._charged.pop(vm, None)
        if charge is not None:
            self._add(charge, -1)

    def hold(self, holder: object, subscription: str, location: str, size: Size, number: int, check: bool = True) -> None:
        """Keep the cores of `number` VMs of a size for `holder`, in place of what it held before. Raises Refusal (409
        OperationNotAllowed), and then it holds what it did, if a limit would be exceeded, unless they are its own whatever the
        limits. They are no VMs yet."""
        old, new = self._held.get(holder), _Held((subscription.lower(), location), size, number)
        if check:
            self._check(new, dict(old.items()) if old else {})
        if old is not None:
            self._add(old, -1)
        self._add(new, 1)
        if number:
            self._held[holder] = new
        else:
            self._held.pop(holder, None)

    def usages(self, subscription: str, location: str, families: Iterable[str]) -> list[Usage]:
        """All that is counted, the families last."""
        used = self._used.get((subscription.lower(), location), {})
        return [
            Usage(name, used.get(name, 0), self.limit_of(subscription, location, name))
            for name in (CORES, MACHINES, SPOT_CORES, *families)
        ]

    def _check(self, charge: _Charge | _Held, freed: dict[str, int]) -> None:
        used = self._used.get(charge.place, {})
        for name, more in charge.items():
            now = used.get(name, 0)
            needed = now - freed.get(name, 0) + more
            limit = self.limit_of(*charge.place, name)
            if needed > limit and more > freed.get(name, 0):
                raise _exceeded(name, charge.place[1], limit, now, more - freed.get(name, 0))

    def _add(self, charge: _Charge | _Held, sign: int) -> None:
        used = self._used.setdefault(charge.place, {})
        for name, more in charge.items():
            used[name] = used.get(name, 0) + sign * more


def _charge(vm: VirtualMachine, size: Size) -> _Charge:
    return _Charge((vm.group.subscription.lower(), vm.location), size, vm.spot)


def _exceeded(name: str, location: str, limit: int, used: int, more: int) -> Refusal:
    what = _NAMES[name][0] if name in _NAMES else f"{name} Cores"
    return Refusal(
        409,
        "OperationNotAllowed",
        f"Operation could not be completed as it results in exceeding approved {what} quota. Additional details - Deployment "
        f"Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: {used}, Additional Required: "
        f"{more}, (Minimum) New Limit Required: {used + more}. Submit a request for Quota increase at "
        "https://aka.ms/ProdportalCRP/#blade/Microsoft_Azure_Capacity/UsageAndQuota.ReactView by specifying parameters listed "
        "in the 'Details' section for deployment to succeed. Please read more about quota limits at "
        "https://docs.microsoft.com/en-us/azure/azure-supportability/per-vm-quota-requests",
    )


def _family(name: str) -> str:
    """standardDSv3Family -> Standard DSv3 Family; basicAFamily -> Basic A Family."""
    found = re.fullmatch(r"(standard|basic) ?(.+?) ?family", name, re.IGNORECASE)
    return f"{found[1].capitalize()} {found[2]} Family" if found else name
