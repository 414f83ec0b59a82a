"""What does not fit together in Azure, Slurm and the journal: found from outside, for `slurm-azure sweep`.

The daemon puts most of this right by itself, step by step (sweep.py); here it is found in one look, whether the daemon runs or
not. Whatever an unfinished launch explains is in order, and what could not be seen proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from slurm_azure.lifecycle.leftovers import look
from slurm_azure.model import Launch, Leftover, NodeName, PoolName, Power, SlurmNode, Vm, VmState


class Kind(StrEnum):
    """What an orphan is."""

    VM = "VM"
    INTERFACE = "network interface"
    DISK = "disk"
    NODE = "node"


class Cure(StrEnum):
    """What is to be done about an orphan."""

    DELETE = "delete"
    SET_DOWN = "set down and power down"
    NONE = "left alone"


@dataclass(frozen=True, slots=True)
class Orphan:
    """One thing that does not fit. `since`: it is at least that old (seconds since the epoch, None = not known)."""

    kind: Kind
    name: str
    node: NodeName
    cause: str
    cure: Cure
    since: float | None = None
    vm: Vm | None = None
    leftover: Leftover | None = None

    @property
    def key(self) -> tuple[Kind, str]:
        """By which two looks tell that they mean the same."""
        return self.kind, self.name


@dataclass(frozen=True, slots=True)
class Scene:
    """Both sides, seen at `at`. `slurm` None = it did not answer; `launches`: all unfinished ones of the journal; `over`: the
    newest of each node, if that is over; `wanted`: nodes with a request not seen to (None = it cannot be told)."""

    at: float
    pool_of: Mapping[NodeName, PoolName]
    vms: Sequence[Vm]
    leftovers: Sequence[Leftover]
    slurm: Mapping[NodeName, SlurmNode] | None
    launches: Sequence[Launch]
    over: Sequence[Launch] = ()
    wanted: frozenset[NodeName] | None = frozenset()


def orphans(scene: Scene, lag: float) -> tuple[Orphan, ...]:
    """All that does not fit. `lag`: seconds that Azure's lists may be behind; nothing younger is told of."""
    return (*_vms(scene, lag), *_leftovers(scene, lag), *_nodes(scene))


def confirmed(before: Sequence[Orphan], now: Sequence[Orphan]) -> tuple[Orphan, ...]:
    """What both looks have found, in the words of the later one."""
    seen = {one.key for one in before}
    return tuple(one for one in now if one.key in seen)


def _vms(scene: Scene, lag: float) -> Iterator[Orphan]:
    explained = {launch.vm_name: launch for launch in scene.launches}
    over = {name: one for one in scene.over for name in (one.vm_name, one.id)}
    for vm in scene.vms:
        launch = explained.get(vm.name)
        if launch is not None:
            if _unknown_to_slurm(vm.node, scene) and launch.live:
                yield _orphan(vm, f"Slurm does not know the node; launch {launch.id} is of before that", Cure.NONE)
            continue
        ended = over.get(vm.name) or over.get(vm.launch)
        if vm.state is VmState.DELETING or not _old(vm, ended, scene.at, lag):
            continue
        yield _unexplained(vm, ended, scene)


def _unexplained(vm: Vm, ended: Launch | None, scene: Scene) -> Orphan:
    if vm.node not in scene.pool_of:
        return _orphan(vm, "its node is in no pool", Cure.DELETE)
    if ended is not None:
        return _orphan(vm, f"its launch {ended.id} is over", Cure.DELETE)
    if scene.slurm is None:
        return _orphan(vm, "no launch explains it; Slurm does not answer", Cure.NONE)
    node = scene.slurm.get(vm.node)
    if node is None:
        return _orphan(vm, "no launch explains it, and Slurm does not know its node", Cure.DELETE)
    in_use = node.power in (Power.WAKING, Power.UP) and not node.down
    if in_use and not any(launch.live and launch.node == vm.node for launch in scene.launches):
        return _orphan(vm, "no launch explains it, but Slurm uses its node: the daemon adopts it", Cure.NONE)
    return _orphan(vm, "no launch explains it", Cure.DELETE)


def _orphan(vm: Vm, cause: str, cure: Cure) -> Orphan:
    return Orphan(Kind.VM, vm.name, vm.node, cause, cure, vm.created_at, vm)


def _old(vm: Vm, ended: Launch | None, at: float, lag: float) -> bool:
    """Old enough to be listed rightly; and if its launch is over, that is not just so."""
    if ended is not None and ended.gone_at is not None and at - ended.gone_at < lag:
        return False
    return at - vm.created_at >= lag if vm.created_at is not None else ended is not None


def _leftovers(scene: Scene, lag: float) -> Iterator[Orphan]:
    for one in look(scene.at, scene.leftovers, scene.vms, scene.launches).alone.values():
        if one.created_at is None or scene.at - one.created_at >= lag:
            kind = Kind(one.kind.value)
            yield Orphan(kind, one.name, one.node, "attached to no VM", Cure.DELETE, one.created_at, leftover=one)


def _nodes(scene: Scene) -> Iterator[Orphan]:
    """Nodes that Slurm counts on, and that have no machine."""
    with_vm = {vm.node for vm in scene.vms} | {launch.node for launch in scene.launches if launch.live}
    for name, node in (scene.slurm or {}).items():
        if name not in scene.pool_of or name in with_vm or node.down or node.power not in (Power.UP, Power.WAKING):
            continue
        if node.power is Power.WAKING and (scene.wanted is None or name in scene.wanted):
            continue  # its request is there: the daemon sees to it
        yield Orphan(Kind.NODE, name, name, f"{node.power.value} in Slurm without a VM", Cure.SET_DOWN)


def _unknown_to_slurm(node: NodeName, scene: Scene) -> bool:
    return scene.slurm is not None and node in scene.pool_of and node not in scene.slurm
