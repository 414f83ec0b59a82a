"""What VMs have left behind: which network interfaces and disks nobody needs any more.

Nothing goes on the ground of one look: an interface is there some moments before its VM is listed, and a VM that is on its way
out lets go of its disk before the disk goes too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from slurm_azure.model import Launch, Leftover, LeftoverKind, Vm, VmName

Key = tuple[LeftoverKind, str]


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen in one look at the resource group that was begun at `at`: leftovers that belong to nobody, by kind and
    name."""

    at: float
    alone: Mapping[Key, Leftover] = field(default_factory=dict)


def look(at: float, leftovers: Iterable[Leftover], vms: Iterable[Vm], launches: Iterable[Launch]) -> Look:
    """Those of `leftovers` that are attached to no VM and whose VM, by their launch tag or their name, is neither among `vms`
    (as Azure lists them) nor of one of `launches` (all that are not gone)."""
    there = {vm.launch for vm in vms} | {launch.id for launch in launches}
    names = {vm.name for vm in vms} | {launch.vm_name for launch in launches}
    alone = (one for one in leftovers if one.vm is None and one.launch not in there and not _belongs(one, names))
    return Look(at, {(one.kind, one.name): one for one in alone})


def removable(before: Look | None, now: Look, lag: float) -> tuple[Leftover, ...]:
    """What two looks at least `lag` seconds apart have both found to belong to nobody, and nobody has made in between."""
    if before is None or now.at - before.at < lag:
        return ()
    found = (one for key, one in now.alone.items() if key in before.alone)
    return tuple(one for one in found if one.created_at is None or now.at - one.created_at >= lag)


def _belongs(one: Leftover, names: Collection[VmName]) -> bool:
    """Whether it is called after one of these VMs, as VM_OsDisk_1_..: no VM of ours has an underscore in its name."""
    return one.name.partition("_")[0] in names
