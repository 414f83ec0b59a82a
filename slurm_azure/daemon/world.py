"""The daemon's memory: what the journal promised and what was last seen, as node records for the decisions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace

from slurm_azure.journal import Journal
from slurm_azure.lifecycle.decide import Cluster
from slurm_azure.lifecycle.park import is_at_rest
from slurm_azure.lifecycle.record import NodeRecord, Policy, Site
from slurm_azure.lifecycle.sweep import is_held, is_trapped
from slurm_azure.lifecycle.watch import is_silent
from slurm_azure.model import BootReport, Launch, LaunchId, NodeName, PoolName, Power, SlurmNode, Vm, VmName, Wish
from slurm_azure.slurm.boot_report import parse_boot_report


@dataclass
class World:
    """All nodes that something is known of. Only the loop's thread touches it."""

    pool_of: dict[NodeName, PoolName]
    wishes: dict[NodeName, list[Wish]] = field(default_factory=dict)
    live: dict[NodeName, Launch] = field(default_factory=dict)
    dying: dict[NodeName, dict[LaunchId, Launch]] = field(default_factory=dict)
    last: dict[NodeName, Launch] = field(default_factory=dict)
    slurm: Mapping[NodeName, SlurmNode] = field(default_factory=dict)
    slurm_at: float | None = None
    vms: dict[NodeName, list[Vm]] = field(default_factory=dict)
    list_at: float | None = None
    absent_since: dict[VmName, float] = field(default_factory=dict)
    stray_since: dict[NodeName, dict[VmName, float]] = field(default_factory=dict)
    bare_since: dict[NodeName, float] = field(default_factory=dict)
    silent_since: dict[NodeName, float] = field(default_factory=dict)
    unknown_since: dict[NodeName, float] = field(default_factory=dict)
    said_at: dict[NodeName, float] = field(default_factory=dict)
    held_by: Mapping[NodeName, tuple[int, ...]] | None = None
    pending: frozenset[int] | None = None
    jobs_at: float | None = None
    site: Site = field(default_factory=Site)

    @classmethod
    def load(cls, journal: Journal, pool_of: dict[NodeName, PoolName], now: float) -> World:
        """What the journal knows at `now`. A create call may have been under way when the daemon ended, so that of every
        unfinished launch counts as sent. What lies ahead (the machine's clock was set back) counts as just now."""
        world = cls(pool_of)
        for launch in journal.last_of_each_node():
            world.last[launch.node] = _not_after(launch, now)
        for launch in journal.unfinished():
            sent = launch if launch.sent_at is not None else replace(launch, sent_at=launch.planned_at)
            world.put(_not_after(sent, now))
        for wish in journal.wishes():
            world.wishes.setdefault(wish.node, []).append(replace(wish, at=min(wish.at, now)))
        return world

    def start_anew(self, now: float) -> None:
        """The clock was set: no look counts any more, and nothing lies ahead of `now`."""
        self.slurm_at = self.list_at = self.jobs_at = None
        for since in (
            self.said_at,
            self.absent_since,
            self.stray_since,
            self.bare_since,
            self.silent_since,
            self.unknown_since,
        ):
            since.clear()
        self.last = {node: _not_after(launch, now) for node, launch in self.last.items()}

    def put(self, launch: Launch) -> None:
        """Remember a launch as it is now."""
        node = launch.node
        if launch.live:
            self.live[node] = launch
            self._not_dying(launch)
            return
        if node in self.live and self.live[node].id == launch.id:
            del self.live[node]
        if launch.gone_at is None:
            self.dying.setdefault(node, {})[launch.id] = launch
            return
        self._not_dying(launch)
        self.last[node] = launch
        self.absent_since.pop(launch.vm_name, None)

    def _not_dying(self, launch: Launch) -> None:
        group = self.dying.get(launch.node)
        if group is not None and group.pop(launch.id, None) is not None and not group:
            del self.dying[launch.node]

    def find(self, node: NodeName, id: LaunchId) -> Launch | None:
        """An unfinished launch by its id."""
        live = self.live.get(node)
        return live if live is not None and live.id == id else self.dying.get(node, {}).get(id)

    def wants(self, launch: Launch) -> bool:
        """Whether this launch is its node's live one."""
        live = self.live.get(launch.node)
        return live is not None and live.id == launch.id

    def unfinished(self) -> Iterator[Launch]:
        """Every launch that is not gone."""
        yield from self.live.values()
        for launches in self.dying.values():
            yield from launches.values()

    def wish(self, wishes: Iterable[Wish]) -> None:
        """Add wishes; a newer one of the same kind replaces the older."""
        for wish in wishes:
            kept = [other for other in self.wishes.get(wish.node, ()) if other.kind is not wish.kind]
            self.wishes[wish.node] = [*kept, wish]

    def drop(self, wish: Wish) -> None:
        """A wish has been seen to."""
        kept = [other for other in self.wishes.get(wish.node, ()) if other != wish]
        if kept:
            self.wishes[wish.node] = kept
        else:
            self.wishes.pop(wish.node, None)

    def see_slurm(self, nodes: Mapping[NodeName, SlurmNode], begun: float) -> None:
        """A whole answer of Slurm, asked for at `begun`: of all nodes that it is asked of (`asked_of`)."""
        self.slurm, self.slurm_at = nodes, begun
        silent = (name for name in self.live if (node := nodes.get(name)) is not None and is_silent(node))
        self.silent_since = {name: self.silent_since.get(name, begun) for name in silent}
        unknown = (name for name, launch in self.live.items() if name not in nodes and launch.planned_at < begun)
        self.unknown_since = {name: self.unknown_since.get(name, begun) for name in unknown}
        if self.list_at is not None:
            self._see_bare(begun)

    def asked_of(self) -> list[NodeName]:
        """The nodes that Slurm is asked about."""
        return list({**dict.fromkeys(self.pool_of), **dict.fromkeys(self.live)})

    def see_jobs(self, held_by: Mapping[NodeName, tuple[int, ...]], pending: frozenset[int], begun: float) -> None:
        """Slurm's queue, asked for at `begun`: the jobs that hold each node, and those that wait for nodes."""
        self.held_by, self.pending, self.jobs_at = held_by, pending, begun

    def see_vms(self, vms: Iterable[Vm], begun: float) -> None:
        """A whole list of Azure, asked for at `begun`. Notes since when VMs are missing, or there without a launch."""
        listed: dict[NodeName, list[Vm]] = {}
        for vm in vms:
            listed.setdefault(vm.node, []).append(vm)
        names = {vm.name for group in listed.values() for vm in group}
        expected = {launch.vm_name for launch in self.unfinished()}
        missing = (name for name in expected if name not in names)
        self.absent_since = {name: self.absent_since.get(name, begun) for name in missing}
        stray: dict[NodeName, dict[VmName, float]] = {}
        for node, group in listed.items():
            for vm in group:
                if vm.name not in expected:
                    stray.setdefault(node, {})[vm.name] = self.stray_since.get(node, {}).get(vm.name, begun)
        self.vms, self.list_at, self.stray_since = listed, begun, stray
        self._see_bare(begun)

    def _see_bare(self, begun: float) -> None:
        bare = (name for name, node in self.slurm.items() if node.power is Power.UP and not self._has_machine(name))
        self.bare_since = {name: self.bare_since.get(name, begun) for name in bare}

    def _has_machine(self, name: NodeName) -> bool:
        return (name in self.live or name in self.dying or name in self.vms) and name not in self._parked(name)

    def _parked(self, *names: NodeName) -> frozenset[NodeName]:
        """Those of `names` (of all) that have nothing but VMs which are kept and stopped."""

        def parked(name: NodeName) -> bool:
            kept = {launch.vm_name for launch in self.dying.get(name, {}).values() if is_at_rest(launch)}
            moving = any(launch.vm_name not in kept for launch in self.dying.get(name, {}).values())
            return name not in self.live and not moving and all(vm.name in kept for vm in self.vms.get(name, ()))

        return frozenset(name for name in (names or self.dying) if name in self.dying and parked(name))

    def records(self, policy: Policy) -> Iterator[NodeRecord]:
        """A record of each node that is not simply off and at rest."""
        names: dict[NodeName, None] = dict.fromkeys(self.wishes)  # first, in their order: whole jobs one after the other
        for group in (self.live, self.dying, self.vms):
            names.update(dict.fromkeys(group))
        names.update(
            dict.fromkeys(
                name
                for name, node in self.slurm.items()
                if node.power is not Power.OFF or node.down or is_held(node) or is_trapped(node)
            )
        )
        for name in names:
            yield self._record(name, policy)

    def cluster(self) -> Cluster:
        """All nodes as Slurm shows them, and which are not at rest. One that was just told something is not, until it is seen
        what it makes of that."""
        told = frozenset(name for name, at in self.said_at.items() if self.slurm_at is None or self.slurm_at <= at)
        busy = frozenset(self.live).union(self.dying, self.wishes, self.vms).difference(self._parked()).union(self.wishes, told)
        return Cluster(self.slurm, self.pool_of, busy, told)

    def _record(self, name: NodeName, policy: Policy) -> NodeRecord:
        pool = self.pool_of.get(name)
        live = self.live.get(name)
        said = self.said_at.get(name)
        # What Slurm showed before it was told something says nothing about what it does with that.
        current = said is None or (self.slurm_at is not None and self.slurm_at > said)
        slurm = self.slurm.get(name) if current else None
        return NodeRecord(
            node=name,
            pool=policy.pools.get(pool) if pool is not None else None,
            slurm=slurm,
            wishes=tuple(self.wishes.get(name, ())),
            live=live,
            dying=tuple(self.dying.get(name, {}).values()),
            last=self.last.get(name),
            vms=tuple(self.vms.get(name, ())),
            absent_since=self.absent_since.get(live.vm_name) if live is not None else None,
            stray_since=self.stray_since.get(name),
            jobs=self.held_by.get(name, ()) if self.held_by is not None and self.jobs_at == self.slurm_at else None,
            boot=_report(slurm, live, self.last.get(name)),
            bare_since=self.bare_since.get(name),
            silent_since=self.silent_since.get(name),
            unknown_since=self.unknown_since.get(name),
        )


_MOMENTS = tuple(one.name for one in fields(Launch) if one.name.endswith("_at"))


def _not_after(launch: Launch, now: float) -> Launch:
    """The launch with no moment ahead of `now`."""
    ahead = {name: now for name in _MOMENTS if (getattr(launch, name) or now) > now}
    return replace(launch, **ahead) if ahead else launch  # type: ignore[arg-type]


def _report(slurm: SlurmNode | None, live: Launch | None, last: Launch | None) -> BootReport | None:
    """What the node told of the boot of its live launch; what an earlier one told says nothing. A VM that was kept tells the
    launch it was made for, at each of its boots."""
    if slurm is None or live is None or not slurm.comment:
        return None
    report = parse_boot_report(slurm.comment)
    if report is None or (last is not None and last.vm_name == live.vm_name and last.boot == slurm.comment):
        return None
    return report if report.launch == live.id or live.vm_name == f"{live.node}-{report.launch}" else None
