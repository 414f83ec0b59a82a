"""A daemon that can be killed between any two effects: each effect on the outside has a boundary before and one after it.

Everything runs in one thread and in an order that repeats itself; when the boundary of a kill is reached, nothing after it
happens: not the effect (before), or not what the daemon makes of it (after). Memory is lost, files stay.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PosixPath
from typing import Any

from slurm_azure.azure.cloud import Call, VmOrder, VmPower
from slurm_azure.config import Config
from slurm_azure.daemon.act import Actor
from slurm_azure.daemon.assemble import settings_of
from slurm_azure.daemon.bell import Bell
from slurm_azure.daemon.calls import Calls
from slurm_azure.daemon.loop import Loop
from slurm_azure.daemon.orders import Orders
from slurm_azure.daemon.settings import Settings
from slurm_azure.daemon.spool import Spool
from slurm_azure.daemon.tally import Tally
from slurm_azure.journal import Journal
from slurm_azure.model import Failure, Leftover, NodeName, SlurmNode, Vm, VmName
from slurm_azure.slurm.scheduler import Job, Scheduler, Tell
from slurm_azure.web.metrics import Metrics
from tests.support.recording_cloud import RecordingCloud


class Killed(BaseException):
    """kill -9."""


class Boundaries:
    """Counts boundaries by what they are of; `kill_at` are the numbers at which the daemon dies (from 0)."""

    def __init__(self, kill_at: Collection[int] = ()) -> None:
        self.kill_at = frozenset(kill_at)
        self.passed: list[str] = []

    def at(self, what: str) -> None:
        """The daemon is at a boundary. Raises Killed if it is one of those."""
        number = len(self.passed)
        self.passed.append(what)
        if number in self.kill_at:
            raise Killed(what)

    @contextmanager
    def around(self, what: str) -> Iterator[None]:
        """An effect."""
        self.at(f"before {what}")
        try:
            yield
        except Exception:
            self.at(f"after {what}")  # a no is an answer too
            raise
        self.at(f"after {what}")

    def kinds(self) -> Counter[str]:
        """How many there were of each."""
        return Counter(self.passed)


class MortalJournal(Journal):
    """A commit is an effect."""

    boundaries: Boundaries

    @contextmanager
    def writing(self) -> Iterator[None]:
        self.boundaries.at("before commit")
        with super().writing():
            yield
        self.boundaries.at("after commit")


class MortalFolder(PosixPath):
    """A folder whose files' removal is an effect."""

    boundaries: Boundaries

    def unlink(self, missing_ok: bool = False) -> None:
        with self.boundaries.around("unlink"):
            super().unlink(missing_ok)


class MortalCalls(Calls):
    """Calls are made where they are started, one after the other."""

    def __init__(self, bell: Bell, clock: Callable[[], float]) -> None:
        super().__init__(bell, clock, 1)

    def start(self, pool: str, kind: str, subject: Any, call: Callable[[], Any]) -> None:
        self.under_way[pool] += 1
        self._run(kind, subject, call, self._clock())


class MortalCloud:
    """Azure, with boundaries around its calls. Reads change nothing: for them there is one boundary, after the answer."""

    def __init__(self, cloud: RecordingCloud, boundaries: Boundaries) -> None:
        self._cloud, self._boundaries = cloud, boundaries

    def reserve(self, call: Call) -> float:
        return self._cloud.reserve(call)

    def create(self, order: VmOrder) -> None:
        with self._boundaries.around("create"):
            self._cloud.create(order)

    def delete(self, name: VmName) -> bool:
        with self._boundaries.around("delete"):
            return self._cloud.delete(name)

    def list(self) -> Iterable[Vm]:
        found = self._cloud.list()
        self._boundaries.at("after list")
        return found

    def why_failed(self, name: VmName) -> Failure | None:
        found = self._cloud.why_failed(name)
        self._boundaries.at("after why_failed")
        return found

    def console(self, name: VmName) -> str | None:
        found = self._cloud.console(name)
        self._boundaries.at("after console")
        return found

    def power(self, name: VmName) -> VmPower | None:
        return self._cloud.power(name)

    def leftovers(self) -> Iterable[Leftover]:
        return self._cloud.leftovers()

    def remove(self, leftover: Leftover) -> bool:
        with self._boundaries.around("remove"):
            return self._cloud.remove(leftover)

    def deallocate(self, name: VmName) -> bool:
        with self._boundaries.around("deallocate"):
            return self._cloud.deallocate(name)

    def start(self, name: VmName) -> bool:
        with self._boundaries.around("start"):
            return self._cloud.start(name)

    def close(self) -> None:
        pass


class MortalScheduler:
    """Slurm, with boundaries around what it is told."""

    def __init__(self, scheduler: Scheduler, boundaries: Boundaries) -> None:
        self._scheduler, self._boundaries = scheduler, boundaries

    def nodes(self, names: Collection[NodeName]) -> Mapping[NodeName, SlurmNode]:
        return self._scheduler.nodes(names)

    def tell(self, what: Tell, names: Sequence[NodeName], reason: str = "") -> Mapping[NodeName, str]:
        with self._boundaries.around(f"tell {what.value}"):
            return self._scheduler.tell(what, names, reason)

    def jobs(self, names: Collection[NodeName]) -> Sequence[Job]:
        return self._scheduler.jobs(names)

    def tell_jobs(self, jobs: Collection[int], comment: str, delay: float = 0.0) -> Mapping[int, str]:
        with self._boundaries.around("tell jobs"):
            return self._scheduler.tell_jobs(jobs, comment, delay)

    def version(self) -> tuple[int, int]:
        return self._scheduler.version()


class MortalDaemon:
    """A daemon on `folder` that dies at the `boundaries` and is started again, as often as there are kills."""

    def __init__(
        self,
        folder: Path,
        config: Config,
        cloud: RecordingCloud,
        scheduler: Scheduler,
        clock: Callable[[], float],
        boundaries: Boundaries,
        settings: Settings | None = None,
    ) -> None:
        """`settings` are those of `config`: making them takes longer than a run."""
        self.folder, self.config, self.cloud, self.scheduler = folder, config, cloud, scheduler
        self.clock, self.boundaries = clock, boundaries
        self.deaths: list[str] = []
        self._ids = itertools.count(1)
        self._settings = settings or settings_of(config)
        self._start()

    def _start(self) -> None:
        folder, marks = self.folder, self.boundaries
        journal: type[Journal] = type("Journal", (MortalJournal,), {"boundaries": marks})
        place = type("Folder", (MortalFolder,), {"boundaries": marks})
        self.journal: Journal = journal.open(folder / "journal.db")
        self._bell = Bell(folder / "wake")
        calls = MortalCalls(self._bell, self.clock)
        cloud, scheduler = MortalCloud(self.cloud, marks), MortalScheduler(self.scheduler, marks)
        actor = Actor(cloud, scheduler, calls, self._settings.render)
        tally = Tally(Metrics("0", self.config.pools))
        spool, orders = Spool(place(folder / "spool")), Orders(folder / "orders")
        self._calls, self.loop = (
            calls,
            Loop(
                self._settings,
                self.journal,
                spool,
                orders,
                actor,
                calls,
                tally,
                self.clock,
                new_id=lambda: f"{next(self._ids):04x}",
            ),
        )

    def turn(self) -> None:
        """Turns of the loop until it has nothing to do now; death, and a new start, included."""
        for _ in range(8):
            self.loop.last_round = 0.0  # a round each turn: what is due now happens now
            try:
                self.loop.turn()
            except Killed as death:
                self.deaths.append(str(death))
                self.close()
                self._start()
            if self._calls.pending():
                return

    def close(self) -> None:
        """Nothing in memory survives."""
        self._calls.close()
        self.journal.close()
        self._bell.close()
