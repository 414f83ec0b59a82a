"""slurmctld in miniature, with jobs: what power_save.c, node_mgr.c and job_mgr.c do with nodes of State=CLOUD and their jobs,
as slurm.conf(5), scontrol(1) and power_save.html have it, and as 22.05.8 and 24.11.5 were seen to do it. It is the daemon's
Scheduler; time is the caller's."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from slurm_azure.errors import SchedulerUnreachable
from slurm_azure.hostlist import expand, fold
from slurm_azure.model import NodeName, Power, SlurmNode
from slurm_azure.slurm.scheduler import Job, Tell

Hook = Callable[[str, str, bytes], None]


@dataclass
class Node:
    """A node. `since`: of its power state; `busy_at`: when it last had a job; `silent_at`: since when its slurmd is silent.
    `no_respond` is the flag NOT_RESPONDING; with `lost` slurmctld gives it no job, whatever its flags say."""

    power: Power = Power.OFF
    since: float = 0.0
    busy_at: float = 0.0
    down: bool = False
    drained: bool = False
    reason: str = ""
    comment: str = ""
    job: int | None = None
    silent_at: float | None = None
    waking_for: bool = False
    flags: frozenset[str] = frozenset()
    no_respond: bool = False
    lost: bool = False


@dataclass
class SimJob:
    """A job: on `count` nodes of `nodes` for `seconds`. `state` is squeue's word; `restarts` counts what it lost."""

    id: int
    nodes: tuple[NodeName, ...]
    count: int
    seconds: float
    state: str = "PENDING"
    begin: float = 0.0
    started: float = 0.0
    submitted: float = 0.0
    ended: float = 0.0
    on: tuple[NodeName, ...] = ()
    restarts: int = 0
    comment: str = ""
    name: str = "job"
    lost_at: list[float] = field(default_factory=list)


class Slurmctld:
    """All times in seconds of `clock`. `hook` runs a hook: kind, hostlist, SLURM_RESUME_FILE. Lists of what was seen: `told`
    (what, nodes, reason, when), `reasons` shown with DOWN, `job_comments`; `answers` False: it does not."""

    def __init__(
        self,
        names: str,
        clock: Callable[[], float],
        hook: Hook,
        *,
        suspend_time: float = 30.0,
        resume_timeout: float = 600.0,
        suspend_timeout: float = 30.0,
        slurmd_timeout: float = 60.0,
        requeue_delay: float = 20.0,
    ) -> None:
        self._clock, self._hook = clock, hook
        self.suspend_time, self.resume_timeout, self.suspend_timeout = suspend_time, resume_timeout, suspend_timeout
        self.slurmd_timeout, self.requeue_delay = slurmd_timeout, requeue_delay
        self.known = {NodeName(name): Node() for name in expand(names)}
        self.queue: dict[int, SimJob] = {}
        self.told: list[tuple[Tell, tuple[NodeName, ...], str, float]] = []
        self.answers = True
        self.hooks_work = True
        self._ids = itertools.count(1)
        self._lock = threading.RLock()

    # what users and administrators do

    def submit(self, nodes: str, count: int | None = None, seconds: float = 30.0, name: str = "job") -> SimJob:
        """A job on `count` of `nodes` (all of them unless told)."""
        with self._lock:
            wanted = tuple(NodeName(node) for node in expand(nodes))
            job = SimJob(next(self._ids), wanted, count or len(wanted), seconds, submitted=self._clock(), name=name)
            self.queue[job.id] = job
            return job

    def submit_each(self, nodes: str, seconds: float = 30.0) -> list[SimJob]:
        """A job for each of these nodes."""
        return [self.submit(node, seconds=seconds) for node in expand(nodes)]

    def cancel(self, job: SimJob) -> None:
        """scancel: the job is gone, its nodes stay as they are."""
        with self._lock:
            self._free(job)
            job.state, job.ended = "CANCELLED", self._clock()

    def add_node(self, name: str) -> None:
        """slurm.conf has one node more."""
        with self._lock:
            self.known[NodeName(name)] = Node()

    def set_node(self, name: str, **changes: object) -> None:
        """A node becomes so, whoever did it: an administrator with scontrol, or the node itself."""
        with self._lock:
            for key, value in changes.items():
                setattr(self.known[NodeName(name)], key, value)
            if changes.get("down"):
                self._requeue_of(self.known[NodeName(name)])

    def restart(self) -> None:
        """slurmctld ends and starts again. It makes its map of the nodes that can be had from their flags then, and leaves out
        those with NOT_RESPONDING (seen with 22.05.8 and 24.11.5)."""
        with self._lock:
            for node in self.known.values():
                node.lost = node.no_respond and node.power is Power.OFF

    # slurmctld's own turns

    def step(self, ready: Collection[str]) -> None:
        """A turn; `ready` are the nodes whose slurmd runs."""
        hooks: dict[str, list[NodeName]] = {}
        with self._lock:
            now = self._clock()
            for name, node in self.known.items():
                kind = self._turn(node, name in ready, now)
                if kind is not None:
                    hooks.setdefault(kind, []).append(name)
            for job in self.queue.values():
                self._advance(job, now)
            self._schedule(now)
            waking = [name for name, node in self.known.items() if node.waking_for]
            resume_file = self._resume_file(waking)
            for name in waking:
                self.known[name].waking_for = False
        if waking:
            self._run_hook("resume", waking, resume_file)
        for kind, names in hooks.items():
            self._run_hook(kind, names)

    def _run_hook(self, kind: str, names: Sequence[NodeName], resume_file: bytes = b"") -> None:
        if self.hooks_work:
            self._hook(kind, fold(names), resume_file)

    def _turn(self, node: Node, ready: bool, now: float) -> str | None:
        """What becomes of a node's power now; the hook that is run for it."""
        passed = now - node.since
        match node.power:
            case Power.WAKING if ready and not node.down:
                self._power(node, Power.UP, now)
                node.busy_at, node.silent_at = now, None
            case Power.WAKING if passed > self.resume_timeout:
                self._down(node, "ResumeTimeout reached")
                node.drained = False
                self._power(node, Power.OFF, now)
                return "resume-fail"
            case Power.UP:
                return self._watch(node, ready, now)
            case Power.STOPPING if passed > self.suspend_timeout:
                self._power(node, Power.OFF, now)
            case _:
                pass
        return None

    def _watch(self, node: Node, ready: bool, now: float) -> str | None:
        """A node that is up: is its slurmd heard of, and has it been idle for long enough?"""
        if ready:
            node.silent_at, node.no_respond, node.lost = None, False, False
        else:
            node.silent_at = node.silent_at or now
            if now - node.silent_at > self.slurmd_timeout and not node.down:
                self._down(node, "Not responding")
        if node.job is None and now - node.busy_at > self.suspend_time:
            self._power(node, Power.STOPPING, now)
            return "suspend"
        return None

    def _advance(self, job: SimJob, now: float) -> None:
        nodes = [self.known[name] for name in job.on]
        if job.state == "CONFIGURING" and all(node.power is Power.UP for node in nodes):
            job.state, job.started = "RUNNING", now
        elif job.state == "RUNNING" and now - job.started >= job.seconds:
            self._free(job)
            job.state, job.ended = "COMPLETED", now

    def _schedule(self, now: float) -> None:
        """Pending jobs, in order; nodes that are up before those that are off."""
        for job in self.queue.values():
            if job.state != "PENDING" or job.begin > now:
                continue
            free = [name for name in job.nodes if self._usable(self.known.get(name))]
            free.sort(key=lambda name: self.known[name].power is not Power.UP)
            if len(free) >= job.count:
                self._allocate(job, tuple(free[: job.count]), now)

    @staticmethod
    def _usable(node: Node | None) -> bool:
        if node is None or node.down or node.drained or node.job is not None or node.silent_at is not None or node.lost:
            return False
        return node.power is not Power.STOPPING

    def _allocate(self, job: SimJob, names: tuple[NodeName, ...], now: float) -> None:
        job.state, job.on = "CONFIGURING", names
        for name in names:
            node = self.known[name]
            node.job = job.id
            if node.power is Power.OFF:
                self._power(node, Power.WAKING, now)
                node.waking_for, node.reason = True, ""

    def _resume_file(self, waking: Sequence[NodeName]) -> bytes:
        """As Slurm 23.02 and later write it."""
        wanted = set(waking)
        jobs = [
            {"job_id": job.id, "nodes_alloc": fold(job.on), "nodes_resume": fold([n for n in job.on if n in wanted])}
            for job in self.queue.values()
            if wanted.intersection(job.on)
        ]
        return json.dumps({"all_nodes_resume": fold(waking), "jobs": jobs}).encode()

    @staticmethod
    def _power(node: Node, power: Power, now: float) -> None:
        node.power, node.since = power, now
        if power in (Power.OFF, Power.STOPPING):
            node.silent_at = None

    def _down(self, node: Node, reason: str) -> None:
        node.down, node.reason = True, reason
        self._requeue_of(node)

    def _requeue_of(self, node: Node) -> None:
        """The node's job, if it has one, loses its nodes and waits again."""
        job = self.queue.get(node.job) if node.job is not None else None
        if job is None:
            return
        self._free(job)
        now = self._clock()
        job.state, job.restarts, job.begin = "PENDING", job.restarts + 1, now + self.requeue_delay
        job.lost_at.append(now)

    def _free(self, job: SimJob) -> None:
        for name in job.on:
            node = self.known[name]
            if node.job == job.id:
                node.job, node.busy_at = None, self._clock()
        job.on = ()

    # what a test asks

    def over(self) -> bool:
        """Whether every job has run or was cancelled."""
        with self._lock:
            return all(job.state in ("COMPLETED", "CANCELLED") for job in self.queue.values())

    def asleep(self) -> bool:
        """Whether all nodes are off, in service and without a reason."""
        with self._lock:
            return all(n.power is Power.OFF and not n.down and not n.drained for n in self.known.values())

    def sinfo_R(self) -> dict[str, str]:
        """`sinfo -R`: the reason of each node that is down or drained."""
        with self._lock:
            return {name: node.reason for name, node in self.known.items() if node.down or node.drained}

    def said(self, what: Tell) -> dict[str, str]:
        """The nodes that were told `what`, each with the last reason."""
        return {name: reason for tell, names, reason, _ in list(self.told) if tell is what for name in names}

    def unfinished(self) -> dict[str, str]:
        """What keeps it from rest: for the message of a test that fails."""
        with self._lock:
            jobs = {
                f"job {job.id}": f"{job.state} {fold(job.on) if job.on else ''}" for job in self.queue.values() if not job.ended
            }
            awake = {
                n: f"{d.power.value} {d.reason}"
                for n, d in self.known.items()
                if d.power is not Power.OFF or d.down or d.drained
            }
            return dict(list((jobs | awake).items())[:20])

    # the daemon's Scheduler

    def nodes(self, names: Collection[NodeName]) -> Mapping[NodeName, SlurmNode]:
        with self._lock:
            self._answer()
            return {name: self._shown(name, self.known[name]) for name in names if name in self.known}

    def tell(self, what: Tell, names: Sequence[NodeName], reason: str = "") -> Mapping[NodeName, str]:
        powered_down: list[NodeName] = []
        with self._lock:
            self._answer()
            self.told.append((what, tuple(names), reason, self._clock()))
            refused = {name: "Invalid node name specified" for name in names if name not in self.known}
            for name in names:
                if name in refused:
                    continue
                node = self.known[name]
                if not self._may_be_told(what, node):
                    refused[name] = "Invalid node state specified"
                elif self._told(what, node, reason):
                    powered_down.append(name)
        if powered_down:
            self._run_hook("suspend", powered_down)
        return refused

    @staticmethod
    def _may_be_told(what: Tell, node: Node) -> bool:
        """22.05.8 and 24.11.5 refuse a `resume` of what is in service, and `idle` where a job is; neither heals a node that has
        registered with too little."""
        if what is Tell.RESUME:
            in_service = not (node.down or node.drained or node.power is Power.STOPPING)
            return not in_service and "INVALID_REG" not in node.flags
        return what is not Tell.IDLE or (node.job is None and "INVALID_REG" not in node.flags)

    def _told(self, what: Tell, node: Node, reason: str) -> bool:
        """Do what one node was told; whether SuspendProgram is run for it."""
        match what:
            case Tell.DOWN:
                self._down(node, reason)
            case Tell.DRAIN:
                node.drained, node.reason = True, reason  # in place of any other
            case Tell.RESUME:
                self._resume(node)
            case Tell.IDLE:  # the reason stays until the next job (24.11)
                node.down, node.drained, node.no_respond, node.lost = False, False, False, False
            case Tell.POWER_UP if node.power is Power.OFF:
                self._power(node, Power.WAKING, self._clock())
                node.waking_for = True
            case Tell.POWER_DOWN_FORCE | Tell.POWER_DOWN:
                return self._power_down(node, what is Tell.POWER_DOWN_FORCE)
            case _:
                pass
        return False

    def _resume(self, node: Node) -> None:
        """NOT_RESPONDING until the next answer to a ping: for ever if the node is off."""
        node.no_respond = node.down or node.drained
        node.down, node.drained = False, False
        if node.power is Power.STOPPING:
            self._power(node, Power.OFF, self._clock())

    def _power_down(self, node: Node, force: bool) -> bool:
        """It takes a drain away (an administrator's too) and leaves a DOWN; a node that is off goes through it once more."""
        if node.job is not None and not force:
            return False  # when its job is over
        self._requeue_of(node)
        self._power(node, Power.STOPPING, self._clock())
        node.drained, node.no_respond, node.lost, node.flags = False, False, False, node.flags - {"INVALID_REG"}
        return True

    def jobs(self, names: Collection[NodeName]) -> Sequence[Job]:
        wanted = set(names)
        with self._lock:
            self._answer()
            return [
                Job(job.id, job.name, "alice", "cloud", job.state, fold(job.on) if job.on else "")
                for job in self.queue.values()
                if wanted.intersection(job.on) or job.state == "PENDING"
            ]

    def tell_jobs(self, jobs: Collection[int], comment: str, delay: float = 0.0) -> Mapping[int, str]:
        refused = {}
        with self._lock:
            self._answer()
            for id in jobs:
                job = self.queue.get(id)
                if job is None or job.ended:
                    refused[id] = "Invalid job id specified" if job is None else "Job has already finished"
                    continue
                job.comment = comment
                if job.state == "PENDING" and delay:
                    job.begin = self._clock() + delay  # in place of slurmctld's own delay
        return refused

    def version(self) -> tuple[int, int]:
        self._answer()
        return (24, 5)

    def _answer(self) -> None:
        if not self.answers:
            raise SchedulerUnreachable("slurmctld does not answer")

    def _shown(self, name: NodeName, node: Node) -> SlurmNode:
        flags = {"CLOUD"} | set(node.flags)
        flags.add("DOWN" if node.down else "ALLOCATED" if node.job is not None else "IDLE")
        flags |= {
            Power.OFF: {"POWERED_DOWN"},
            Power.WAKING: {"POWERING_UP", "NOT_RESPONDING"},
            Power.UP: {"NOT_RESPONDING"} if node.silent_at is not None else set(),
            Power.STOPPING: {"POWERING_DOWN"},
        }[node.power]
        if node.drained:
            flags.add("DRAIN")
        if node.no_respond:
            flags.add("NOT_RESPONDING")
        return SlurmNode(name, node.power, frozenset(flags), node.reason, node.comment)
