"""Carrying effects out: creates and deletes as Azure's budgets allow, Slurm told in batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from slurm_azure.azure.cloud import Call, Cloud, VmOrder
from slurm_azure.daemon.calls import Calls
from slurm_azure.lifecycle.effects import (
    Create,
    Deallocate,
    Delete,
    Diagnose,
    Effect,
    LookAtPower,
    ReadConsole,
    Say,
    Saying,
)
from slurm_azure.lifecycle.park import is_reused
from slurm_azure.lifecycle.release import is_administrators
from slurm_azure.model import Launch, NodeName, VmName
from slurm_azure.slurm.scheduler import Job, Scheduler, Tell, nodes_of

log = logging.getLogger(__name__)

TELLS: Mapping[Saying, tuple[Tell, ...]] = {
    Saying.FAILED: (Tell.DOWN, Tell.POWER_DOWN_FORCE),
    Saying.POWER_DOWN: (Tell.POWER_DOWN_FORCE,),
    Saying.RESUME: (Tell.IDLE,),
    Saying.SHELVE: (Tell.DRAIN,),
    Saying.RELEASE: (Tell.POWER_DOWN_FORCE,),
    Saying.WAKE: (Tell.POWER_UP,),
}

LOOK_AGAIN = 30.0
"""Seconds between looks at the power state of a VM that lists lack, or whose node does not answer: each costs a read."""

STOP_AGAIN = 180.0
"""Seconds after which a VM that is to be kept, and is not stopped yet, is asked to stop once more."""

HELD = "another job has got it"
"""Why a node was not powered down that was let go of with nothing wrong with it."""

Render = Callable[[Launch], str]


def saying_key(saying: Saying, node: NodeName) -> str:
    """What is held back after Slurm has refused it: this saying of this node, and no other."""
    return f"say {saying.name} {node}"


T = TypeVar("T", Launch, Delete)


@dataclass(frozen=True, slots=True)
class Batch:
    """One thing to say of many nodes, and of the jobs that hold them."""

    saying: Saying
    reason: str
    delay: float
    says: tuple[Say, ...]

    @property
    def jobs(self) -> list[int]:
        """The jobs this is about, each once."""
        return sorted({job for say in self.says for job in say.jobs})


def held_by_others(batch: Batch, jobs: Iterable[Job]) -> dict[NodeName, str]:
    """The nodes of `batch` that a job holds which it is not about, or one that has started after all, as HELD: since they were
    let go of Slurm may have given them away, and powering them down would end that job."""
    about = {say.node: say.jobs for say in batch.says}
    held: dict[NodeName, str] = {}
    for job in jobs:
        if job.state in ("PENDING", "COMPLETING"):
            continue
        for name in nodes_of(job):
            if name in about and (job.id not in about[name] or job.state != "CONFIGURING"):
                held[name] = HELD
    return held


@dataclass
class Patience:
    """When a call that did not go through may be tried again: twice as long after each try, up to `longest` seconds."""

    first: float = 5.0
    longest: float = 60.0
    tries: dict[str, int] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)

    def later(self, key: str, now: float) -> None:
        """It did not work: not again for a while."""
        tries = self.tries.get(key, 0)
        self.tries[key] = tries + 1
        self.not_before[key] = now + min(self.longest, self.first * 2**tries)

    def hold(self, key: str, until: float) -> None:
        """Not again before `until`."""
        self.not_before[key] = until

    def allows(self, key: str, now: float) -> bool:
        """Whether it may be tried now."""
        return now >= self.not_before.get(key, 0.0)

    def soonest(self, keys: Iterable[str], now: float) -> float:
        """When the first of `keys` may be tried."""
        soonest = float("inf")
        for key in keys:
            soonest = min(soonest, self.not_before.get(key, now))
            if soonest <= now:
                break
        return soonest

    def forget(self, key: str) -> None:
        """It worked, or nobody wants it any more."""
        self.tries.pop(key, None)
        self.not_before.pop(key, None)

    def clear(self) -> None:
        """Everything may be tried now."""
        self.tries.clear()
        self.not_before.clear()

    def prune(self, now: float) -> None:
        """Forget what has been due for an hour: nobody asked for it again."""
        for key in [key for key, at in self.not_before.items() if now - at > 3600]:
            self.forget(key)


class Actor:
    """Takes effects, starts calls. Asking twice for what is queued or under way does nothing."""

    def __init__(self, cloud: Cloud, scheduler: Scheduler, calls: Calls, render: Render) -> None:
        self.cloud, self.scheduler, self.calls, self.render = cloud, scheduler, calls, render
        self.creates: dict[VmName, Launch] = {}
        self.starts: dict[VmName, Launch] = {}
        self.deallocations: dict[VmName, Launch] = {}
        self.deletes: dict[VmName, Delete] = {}
        self.stopping: dict[VmName, float] = {}
        self.under_way: set[str] = set()
        self.saying: set[NodeName] = set()
        self.started: list[Launch] = []
        self.patience = Patience()
        self.next_token = dict.fromkeys(Call, 0.0)

    def want(self, effects: Iterable[Effect], now: float) -> None:
        """Queue what is new among `effects`."""
        says: list[Say] = []
        queued = len(self.creates)
        for effect in effects:
            match effect:
                case Create(launch):
                    self._bring(launch)
                case Delete():
                    self._take_away(effect)
                case Deallocate(launch):
                    self._stop(launch, now)
                case Say(node, saying):
                    if node not in self.saying and self.patience.allows(saying_key(saying, node), now):
                        says.append(effect)
                case Diagnose() | ReadConsole() | LookAtPower():
                    self._look(effect, now)
                case _:
                    pass
        if len(self.creates) > queued:
            self._whole_jobs_first()
        self._say(says)

    def _bring(self, launch: Launch) -> None:
        kind, queue = ("start", self.starts) if is_reused(launch) else ("create", self.creates)
        if f"{kind} {launch.vm_name}" not in self.under_way:
            queue[launch.vm_name] = launch

    def _take_away(self, delete: Delete) -> None:
        name = delete.vm_name
        for queue in (self.creates, self.starts, self.deallocations):
            queue.pop(name, None)
        self.stopping.pop(name, None)
        # A delete that overtook its create would find nothing, and the VM would come after it.
        if not any(f"{kind} {name}" in self.under_way for kind in ("create", "start", "delete")):
            self.deletes[name] = delete

    def _stop(self, launch: Launch, now: float) -> None:
        """Ask once, then look whether the VM has stopped."""
        name = launch.vm_name
        if now - self.stopping.get(name, 0.0) < STOP_AGAIN:
            self._read("stopping", launch, lambda name: self.cloud.power(name), now)
        elif f"deallocate {name}" not in self.under_way:
            self.deallocations[name] = launch

    def _look(self, effect: Diagnose | ReadConsole | LookAtPower, now: float) -> None:
        """A look at one VM costs a read: one at a time, and not too soon after one that did not work."""
        match effect:
            case Diagnose(launch):
                self._read("diagnose", launch, lambda name: self.cloud.why_failed(name), now)
            case ReadConsole(launch):
                self._read("console", launch, lambda name: self.cloud.console(name), now, Call.CONSOLE)
            case LookAtPower(launch):
                self._read("power", launch, lambda name: self.cloud.power(name), now)

    def _whole_jobs_first(self) -> None:
        """Older wake-ups before newer ones, the nodes of a job together: so that jobs become startable one after the other."""

        def rank(launch: Launch) -> tuple[float, int]:
            return launch.since, first[launch.jobs[:1]]

        first: dict[tuple[int, ...], int] = {}
        for launch in self.creates.values():
            first.setdefault(launch.jobs[:1], len(first))
        self.creates = {launch.vm_name: launch for launch in sorted(self.creates.values(), key=rank)}

    def use(self, cloud: Cloud, scheduler: Scheduler) -> None:
        """Go on with other connections; calls under way end on the old ones."""
        self.cloud, self.scheduler = cloud, scheduler

    def start_anew(self) -> None:
        """Whatever waited for a moment may be tried now."""
        self.patience.clear()
        self.next_token = dict.fromkeys(Call, 0.0)

    def keep_only(self, live: Callable[[Launch], bool], served: Collection[VmName] = ()) -> None:
        """Forget queued creates and starts that nobody wants any more, and deletes of VMs that have become somebody's since."""
        self.creates = {name: launch for name, launch in self.creates.items() if live(launch)}
        self.starts = {name: launch for name, launch in self.starts.items() if live(launch)}
        self.deletes = {name: one for name, one in self.deletes.items() if name not in served}

    def pump(self, now: float) -> float:
        """Start calls while there are threads and tokens. Returns seconds until it is worth calling again (inf = idle)."""
        return min(
            self._pump("delete", Call.DELETE, self.deletes, self._delete, now),
            self._pump("start", Call.UPDATE, self.starts, self._start_again, now),
            self._pump("create", Call.CREATE, self.creates, self._create, now),
            self._pump("deallocate", Call.DEALLOCATE, self.deallocations, self._deallocate, now),
        )

    def _pump(self, kind: str, call: Call, queue: dict[VmName, T], work: Callable[[T], object], now: float) -> float:
        for name, item in list(queue.items()):
            if not self._may_start(call, now):
                break
            if not self.patience.allows(f"{kind} {name}", now):
                continue
            if not self._token(call, now):
                break
            del queue[name]
            if kind in ("create", "start") and isinstance(item, Launch):
                self.started.append(item)
            self._start(kind, item, name, partial(work, item))
        return self._wait(queue, call, kind, now)

    def _delete(self, delete: Delete) -> bool:
        return self.cloud.delete(delete.vm_name)

    def _start_again(self, launch: Launch) -> bool:
        return self.cloud.start(launch.vm_name)

    def _deallocate(self, launch: Launch) -> bool:
        return self.cloud.deallocate(launch.vm_name)

    def _create(self, launch: Launch) -> None:
        order = VmOrder(launch.vm_name, launch.node, launch.id, launch.pool, launch.offer, self.render(launch))
        self.cloud.create(order)

    def _read(self, kind: str, launch: Launch, look: Callable[[VmName], object], now: float, call: Call = Call.READ) -> None:
        key = f"{kind} {launch.vm_name}"
        if key in self.under_way or not self.patience.allows(key, now) or not self._token(call, now):
            return
        self._start(kind, launch, launch.vm_name, lambda: look(launch.vm_name))

    def _start(self, kind: str, subject: Launch | Delete, name: VmName | str, call: Callable[[], object]) -> None:
        self.under_way.add(f"{kind} {name}")
        self.calls.start("azure", kind, subject, call)

    def ended(self, kind: str, name: VmName) -> None:
        """A call's result has been seen."""
        self.under_way.discard(f"{kind} {name}")

    def _may_start(self, call: Call, now: float) -> bool:
        return self.calls.room() and now >= self.next_token[call]

    def _token(self, call: Call, now: float) -> bool:
        wait = self.cloud.reserve(call)
        if wait > 0:
            self.next_token[call] = now + wait
        return wait <= 0

    def _wait(self, queued: Collection[str], call: Call, kind: str, now: float) -> float:
        if not queued:
            return float("inf")
        if not self.calls.room():
            return float("inf")  # the end of a call rings the bell
        return max(0.0, self.next_token[call] - now, self.patience.soonest((f"{kind} {name}" for name in queued), now) - now)

    def _say(self, says: list[Say]) -> None:
        """One call for each equal saying and reason, however many nodes."""
        groups: dict[tuple[Saying, str, float], list[Say]] = {}
        for say in says:
            groups.setdefault((say.saying, say.reason, say.delay), []).append(say)
        for (saying, reason, delay), group in groups.items():
            self.saying.update(say.node for say in group)
            batch = Batch(saying, reason, delay, tuple(group))
            self.calls.start("slurm", "say", batch, lambda batch=batch: self._tell(batch))  # type: ignore[misc]

    def _set_aside(self, names: Sequence[NodeName]) -> dict[NodeName, str]:
        """Nodes that an administrator has drained or set down since Slurm was last looked at, which may be 15 s ago: what they
        were told now would take the administrator's reason from them, or the drain itself."""
        seen = self.scheduler.nodes(names)
        return {name: f"set aside by hand: {node.reason}" for name, node in seen.items() if is_administrators(node)}

    def _tell(self, batch: Batch) -> dict[NodeName, str]:
        names = [say.node for say in batch.says]
        refused = {} if batch.saying is Saying.WAKE else self._set_aside(names)
        if batch.saying is Saying.RELEASE:
            refused.update(held_by_others(batch, self.scheduler.jobs(names)))
        for tell in TELLS[batch.saying]:
            reason = batch.reason if tell in (Tell.DOWN, Tell.DRAIN) else ""
            refused.update(self.scheduler.tell(tell, [name for name in names if name not in refused], reason))
        if batch.jobs:  # after the nodes: by now Slurm has put these jobs back into its queue
            for job, words in self.scheduler.tell_jobs(batch.jobs, batch.reason, batch.delay).items():
                log.debug("job %d could not be told: %s", job, words)
        return refused
