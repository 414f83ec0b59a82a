"""slurmctld's power saving in miniature, as slurm.conf(5) and power_save.c have it: a job for each node, and what becomes of
the nodes meanwhile. It is the daemon's Scheduler; whether a node's slurmd could register is asked of `ready`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from slurm_azure.hostlist import fold
from slurm_azure.model import NodeName, Power, SlurmNode
from slurm_azure.slurm.scheduler import Job, Tell
from tests.support.nodes import a_node


@dataclass
class _Node:
    power: Power = Power.OFF
    since: float = 0.0
    down: bool = False
    reason: str = ""


class PowerSaving:
    """Wakes each node of `names` until its job of `job_seconds` has run through on it once, then puts it to sleep.

    `clock` in seconds; `hook` runs a hook (kind, hostlist); `done` are the nodes whose jobs have run, `requeued` counts the
    jobs that lost their node while it came up. A node that is lost while its job runs is in `killed`.
    """

    def __init__(
        self,
        names: Sequence[str],
        clock: Callable[[], float],
        hook: Callable[[str, str], None],
        job_seconds: float,
        resume_timeout: float,
        suspend_timeout: float = 30.0,
    ) -> None:
        self._clock, self._hook = clock, hook
        self._job, self._resume, self._suspend = job_seconds, resume_timeout, suspend_timeout
        self._nodes = {NodeName(name): _Node() for name in names}
        self._lock = threading.Lock()
        self.done: set[NodeName] = set()
        self.killed: list[NodeName] = []
        self.requeued = 0
        self.reasons: list[str] = []

    def step(self, ready: Collection[str]) -> None:
        """A turn of slurmctld; `ready` are the nodes whose slurmd runs."""
        now, hooks = self._clock(), dict[str, list[NodeName]]()
        with self._lock:
            for name, node in self._nodes.items():
                kind = self._turn(name, node, name in ready, now)
                if kind is not None:
                    hooks.setdefault(kind, []).append(name)
        for kind, names in hooks.items():
            self._hook(kind, fold(names))

    def _turn(self, name: NodeName, node: _Node, ready: bool, now: float) -> str | None:
        """What happens to a node now; the hook that is to be run for it."""
        passed = now - node.since
        if node.power is Power.OFF and name not in self.done and not node.down:
            self._set(node, Power.WAKING, now)
            return "resume"
        if node.power is Power.WAKING and ready and not node.down:
            self._set(node, Power.UP, now)
        elif node.power is Power.WAKING and passed > self._resume:
            self._set(node, Power.OFF, now)
            node.down, node.reason = True, "ResumeTimeout reached"
            self.requeued += 1
            return "resume-fail"
        elif node.power is Power.UP and not ready:
            self.killed.append(name)
            self._set(node, Power.STOPPING, now)
            return "suspend"
        elif node.power is Power.UP and passed > self._job:
            self.done.add(name)
            self._set(node, Power.STOPPING, now)
            return "suspend"
        elif node.power is Power.STOPPING and passed > self._suspend:
            self._set(node, Power.OFF, now)
        return None

    @staticmethod
    def _set(node: _Node, power: Power, now: float) -> None:
        node.power, node.since = power, now

    def asleep(self) -> bool:
        """Whether all jobs have run and all nodes are off, none of them down."""
        with self._lock:
            off = all(node.power is Power.OFF and not node.down for node in self._nodes.values())
        return off and len(self.done) == len(self._nodes)

    def unfinished(self) -> dict[str, str]:
        """The nodes whose jobs have not run, and what they are doing."""
        with self._lock:
            waiting = {name: node for name, node in self._nodes.items() if name not in self.done}
            return {name: f"{node.power} {'down' if node.down else ''} {node.reason}" for name, node in waiting.items()}

    def nodes(self, names: Collection[NodeName]) -> Mapping[NodeName, SlurmNode]:
        with self._lock:
            known = {name: self._nodes[name] for name in names if name in self._nodes}
            return {name: a_node(node.power, name, node.reason, down=node.down) for name, node in known.items()}

    def tell(self, what: Tell, names: Sequence[NodeName], reason: str = "") -> Mapping[NodeName, str]:
        with self._lock:
            for name in names:
                self._told(what, self._nodes[name], reason)
        if what is Tell.POWER_DOWN_FORCE:
            self._hook("suspend", fold(names))
        return {}

    def _told(self, what: Tell, node: _Node, reason: str) -> None:
        if what is Tell.DOWN:
            node.down, node.reason = True, reason
            self.reasons.append(reason)
        elif what is Tell.POWER_DOWN_FORCE:
            if node.power in (Power.WAKING, Power.UP):
                self.requeued += 1
            self._set(node, Power.STOPPING, self._clock())
        elif what is Tell.RESUME:
            node.down, node.reason = False, ""

    def jobs(self, names: Collection[NodeName]) -> Sequence[Job]:
        return ()

    def version(self) -> tuple[int, int]:
        return (22, 5)
