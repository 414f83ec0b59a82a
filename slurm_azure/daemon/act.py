"""Carrying effects out: creates and deletes as Azure's budgets allow, Slurm told in batches."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from slurm_azure.azure.cloud import Call, Cloud, VmOrder
from slurm_azure.daemon.calls import Calls
from slurm_azure.lifecycle.effects import Create, Delete, Diagnose, Effect, LookAtPower, ReadConsole, Say, Saying
from slurm_azure.model import Launch, NodeName, VmName
from slurm_azure.slurm.scheduler import Scheduler, Tell

log = logging.getLogger(__name__)

TELLS: Mapping[Saying, tuple[Tell, ...]] = {
    Saying.FAILED: (Tell.DOWN, Tell.POWER_DOWN_FORCE),
    Saying.POWER_DOWN: (Tell.POWER_DOWN_FORCE,),
    Saying.RESUME: (Tell.RESUME,),
    Saying.SHELVE: (Tell.DRAIN,),
    Saying.RELEASE: (Tell.POWER_DOWN_FORCE,),
    Saying.WAKE: (Tell.POWER_UP,),
}

LOOK_AGAIN = 30.0
"""Seconds between looks at the power state of a VM whose node does not answer: each costs a read."""

Render = Callable[[Launch], str]


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

    def prune(self, now: float) -> None:
        """Forget what has been due for an hour: nobody asked for it again."""
        for key in [key for key, at in self.not_before.items() if now - at > 3600]:
            self.forget(key)


class Actor:
    """Takes effects, starts calls. Asking twice for what is queued or under way does nothing."""

    def __init__(self, cloud: Cloud, scheduler: Scheduler, calls: Calls, render: Render) -> None:
        self.cloud, self.scheduler, self.calls, self.render = cloud, scheduler, calls, render
        self.creates: dict[str, Launch] = {}
        self.deletes: dict[VmName, Delete] = {}
        self.under_way: set[str] = set()
        self.saying: set[NodeName] = set()
        self.started: list[Launch] = []
        self.patience = Patience()
        self.next_token = {Call.CREATE: 0.0, Call.DELETE: 0.0, Call.READ: 0.0}

    def want(self, effects: Iterable[Effect], now: float) -> None:
        """Queue what is new among `effects`."""
        says: list[Say] = []
        queued = len(self.creates)
        for effect in effects:
            match effect:
                case Create(launch):
                    if f"create {launch.vm_name}" not in self.under_way:
                        self.creates[launch.vm_name] = launch
                case Delete(_, name, _):
                    self.creates.pop(name, None)
                    if self._free(name):
                        self.deletes[name] = effect
                case Say(node):
                    if node not in self.saying and self.patience.allows(f"say {node}", now):
                        says.append(effect)
                case Diagnose() | ReadConsole() | LookAtPower():
                    self._look(effect, now)
                case _:
                    pass
        if len(self.creates) > queued:
            self._whole_jobs_first()
        self._say(says)

    def _look(self, effect: Diagnose | ReadConsole | LookAtPower, now: float) -> None:
        """A look at one VM costs a read: one at a time, and not too soon after one that did not work."""
        match effect:
            case Diagnose(launch):
                self._read("diagnose", launch, lambda name: self.cloud.why_failed(name), now)
            case ReadConsole(launch):
                self._read("console", launch, lambda name: self.cloud.console(name), now)
            case LookAtPower(launch):
                self._read("power", launch, lambda name: self.cloud.power(name), now)

    def _whole_jobs_first(self) -> None:
        """Older wake-ups before newer ones, the nodes of a job together: so that jobs become startable one after the other."""

        def rank(launch: Launch) -> tuple[float, int]:
            asked_at = launch.planned_at if launch.asked_at is None else launch.asked_at
            return asked_at, first[launch.jobs[:1]]

        first: dict[tuple[int, ...], int] = {}
        for launch in self.creates.values():
            first.setdefault(launch.jobs[:1], len(first))
        self.creates = {launch.vm_name: launch for launch in sorted(self.creates.values(), key=rank)}

    def use(self, cloud: Cloud, scheduler: Scheduler) -> None:
        """Go on with other connections; calls under way end on the old ones."""
        self.cloud, self.scheduler = cloud, scheduler

    def keep_only(self, live: Callable[[Launch], bool]) -> None:
        """Forget queued creates that nobody wants any more."""
        self.creates = {name: launch for name, launch in self.creates.items() if live(launch)}

    def pump(self, now: float) -> float:
        """Start calls while there are threads and tokens. Returns seconds until it is worth calling again (inf = idle)."""
        self._pump_deletes(now)
        return min(self._pump_creates(now), self._wait(self.deletes, Call.DELETE, "delete", now))

    def _pump_creates(self, now: float) -> float:
        for name, launch in list(self.creates.items()):
            if not self._may_start(Call.CREATE, now):
                break
            if not self.patience.allows(f"create {name}", now):
                continue
            if not self._token(Call.CREATE, now):
                break
            del self.creates[name]
            self.started.append(launch)
            self._start("create", launch, name, lambda launch=launch: self._create(launch))  # type: ignore[misc]
        return self._wait(self.creates, Call.CREATE, "create", now)

    def _pump_deletes(self, now: float) -> None:
        for name, delete in list(self.deletes.items()):
            if not self._may_start(Call.DELETE, now):
                break
            if not self.patience.allows(f"delete {name}", now):
                continue
            if not self._token(Call.DELETE, now):
                break
            del self.deletes[name]
            self._start("delete", delete, name, lambda name=name: self.cloud.delete(name))  # type: ignore[misc]

    def _create(self, launch: Launch) -> None:
        order = VmOrder(launch.vm_name, launch.node, launch.id, launch.pool, launch.offer, self.render(launch))
        self.cloud.create(order)

    def _read(self, kind: str, launch: Launch, look: Callable[[VmName], object], now: float) -> None:
        key = f"{kind} {launch.vm_name}"
        if key in self.under_way or not self.patience.allows(key, now) or not self._token(Call.READ, now):
            return
        self._start(kind, launch, launch.vm_name, lambda: look(launch.vm_name))

    def _start(self, kind: str, subject: Launch | Delete, name: VmName | str, call: Callable[[], object]) -> None:
        self.under_way.add(f"{kind} {name}")
        self.calls.start("azure", kind, subject, call)

    def ended(self, kind: str, name: VmName) -> None:
        """A call's result has been seen."""
        self.under_way.discard(f"{kind} {name}")

    def _free(self, name: VmName) -> bool:
        # A delete that overtook its create would find nothing, and the VM would come after it.
        return f"create {name}" not in self.under_way and f"delete {name}" not in self.under_way

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

    def _tell(self, batch: Batch) -> dict[NodeName, str]:
        refused: dict[NodeName, str] = {}
        names = [say.node for say in batch.says]
        for tell in TELLS[batch.saying]:
            reason = batch.reason if tell in (Tell.DOWN, Tell.DRAIN) else ""
            refused.update(self.scheduler.tell(tell, [name for name in names if name not in refused], reason))
        if batch.jobs:  # after the nodes: by now Slurm has put these jobs back into its queue
            for job, words in self.scheduler.tell_jobs(batch.jobs, batch.reason, batch.delay).items():
                log.debug("job %d could not be told: %s", job, words)
        return refused
