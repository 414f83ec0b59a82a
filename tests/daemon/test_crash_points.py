"""The daemon killed at every boundary between two effects, and started again: the same end each time."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slurm_azure.azure.cloud import VmOrder
from slurm_azure.errors import CreateRefused
from slurm_azure.intake import accept
from slurm_azure.model import Launch
from slurm_azure.slurm.scheduler import Tell
from tests.support.configs import a_config
from tests.support.mortal import Boundaries, MortalDaemon
from tests.support.nodes import NOW
from tests.support.recording_cloud import RecordingCloud
from tests.support.slurmctld import Slurmctld

SIZES = ["Standard_F2s_v2", "Standard_D4s_v5"]
MOMENTS = 300  # seconds; the story takes less, whatever happens
BOOT = 6.0
SLICES = 8


class Story:
    """Four nodes and three jobs. az-2 is refused the first size and gets the second; az-3 fails to boot once and is launched
    again; az-4 fails for good: Slurm hears of it, the job waits, and runs in the end. Then all are suspended and deleted."""

    def __init__(self, folder: Path, boundaries: Boundaries) -> None:
        self.now = NOW
        self.cloud = RecordingCloud()
        self.cloud.on_create, self.cloud.slow_deletes = self._answer, True
        self.slurm = Slurmctld(
            "az-[1-4]", lambda: self.now, self._hook, suspend_time=15, resume_timeout=120, suspend_timeout=10
        )
        self._folder, self._requests = folder, 0
        self._since: dict[str, float] = {}
        self._boots: Counter[str] = Counter()
        self.doubles: list[tuple[str, float]] = []
        (folder / "spool").mkdir()
        pool = {"nodes": "az-[1-4]", "sizes": SIZES, "image": {"marketplace": "a:b:c:latest"}}
        limits = {"failed_node_hold": 10.0, "slurm_interval": 4.0, "list_interval": 5.0, "cool_downs": {"capacity": 30.0}}
        config = a_config(pools={"hb": pool}, partitions={"cloud": {"pools": ["hb"], "resume_timeout": 120.0}}, limits=limits)
        self.daemon = MortalDaemon(folder, config, self.cloud, self.slurm, lambda: self.now, boundaries)
        self.jobs = [self.slurm.submit("az-[1-2]", seconds=10), *self.slurm.submit_each("az-[3-4]", seconds=10)]

    def _hook(self, kind: str, nodes: str, resume_file: bytes) -> None:
        self._requests += 1
        accept(str(self._folder / "spool"), kind, nodes.encode(), resume_file, int(self.now * 1e9) + self._requests)

    def _answer(self, order: VmOrder) -> None:
        if order.node == "az-2" and order.offer.size == SIZES[0]:
            raise CreateRefused("SkuNotAvailable", f"The requested size {SIZES[0]} is currently not available.", 409)

    def run(self) -> None:
        """To its end, a second at a time."""
        for moment in range(MOMENTS):
            self.now = NOW + moment
            self.daemon.turn()
            self._look()
            if moment % 7 == 0:
                self.cloud.finish_deletes()
            self.slurm.step(self._ready())
            if moment > 60 and self.at_rest():
                return

    def _ready(self) -> set[str]:
        """Nodes whose slurmd runs; those that fail say so instead."""
        up: set[str] = set()
        for vm in tuple(self.cloud.vms.values()):
            began = self._since.setdefault(vm.name, self.now)
            if began == self.now:
                self._boots[vm.node] += 1
            if self.now - began < BOOT:
                continue
            if self._boots[vm.node] > {"az-3": 1, "az-4": 2}.get(vm.node, 0):
                up.add(vm.node)
                continue
            words = f"slurm-azure boot=failed launch={vm.launch} seconds=5.0 stages=mounts:4.1 memory=1 cpus=1 step=mounts"
            self.slurm.set_node(vm.node, comment=f"{words} cause=/shared cannot be mounted")
        return up

    def _look(self) -> None:
        live = Counter(launch.node for launch in self.launches() if launch.live)
        self.doubles += [(node, self.now - NOW) for node, count in live.items() if count > 1]

    def launches(self) -> list[Launch]:
        """The journal's."""
        return self.daemon.journal.launches()

    def vms_made(self) -> int:
        """How many VMs were asked for, however often."""
        return len({order.vm_name for order in self.cloud.orders})

    def at_rest(self) -> bool:
        """Nothing is left to do."""
        over = self.slurm.over() and self.slurm.asleep() and not self.cloud.vms
        return over and self.daemon.journal.wishes() == [] and all(launch.gone_at is not None for launch in self.launches())

    def end(self) -> dict[str, object]:
        """What must be the same each time."""
        return {
            "jobs": [job.state for job in self.jobs],
            "nodes": self.slurm.unfinished(),
            "vms": dict(self.cloud.vms),
            "unfinished": [launch.vm_name for launch in self.launches() if launch.gone_at is None],
            "wishes": self.daemon.journal.wishes(),
            "spool": [file.name for file in (self._folder / "spool").iterdir()],
            "doubles": self.doubles,
            "told of az-4": "mounts" in self.slurm.said(Tell.DOWN).get("az-4", ""),
            "told of others": sorted(set(self.slurm.said(Tell.DOWN)) - {"az-4"}),
        }


@contextmanager
def story(kill_at: tuple[int, ...] = ()) -> Iterator[tuple[Story, Boundaries]]:
    """The story with kills at these boundaries; its files are in memory, as there are hundreds of it."""
    shm = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="crash-", dir=shm if shm.is_dir() else None) as folder:
        boundaries = Boundaries(kill_at)
        told = Story(Path(folder), boundaries)
        try:
            told.run()
            yield told, boundaries
        finally:
            told.daemon.close()


def everything() -> Boundaries:
    """The boundaries of the story when nobody is killed."""
    with story() as (told, boundaries):
        assert told.at_rest(), told.end()
        return boundaries


def test_the_story_has_boundaries_of_every_kind() -> None:
    """Commits, creates, deletes, removed spool files, and each thing that Slurm is told; before and after each."""
    found = everything().kinds()
    print(f"{sum(found.values())} boundaries: {dict(found)}")
    effects = ("commit", "create", "delete", "unlink", "tell down", "tell power_down_force", "tell idle", "tell jobs")
    assert {f"{when} {what}" for when in ("before", "after") for what in effects} <= set(found)
    assert found["after list"] > 5
    assert sum(found.values()) > 100
    assert all(found[f"before {what}"] == found[f"after {what}"] for what in effects)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("part", range(SLICES))
def test_killed_at_each_boundary_the_end_is_the_same(part: int) -> None:
    """One run for each boundary: jobs done, no VM, every launch gone, every wish and request handled, one live launch a node
    at any time, Slurm told of the node that failed and of no other, at most one VM more; what was under way is asked for
    once again."""
    with story() as (told, boundaries):
        expected, vms, total = told.end(), told.vms_made(), len(boundaries.passed)
    for number in range(part, total, SLICES):
        with story((number,)) as (told, boundaries):
            where = f"killed at {number} ({boundaries.passed[number]})"
            assert told.daemon.deaths == [boundaries.passed[number]], where
            assert told.end() == expected, where
            assert told.vms_made() <= vms + 1, where
            assert len(told.cloud.orders) <= told.vms_made() + 5, where


@pytest.mark.timeout(300)
def test_killed_again_soon_after_its_start_the_end_is_the_same() -> None:
    """What the new daemon does first is no safer: a second kill some boundaries after each of a sample of first ones."""
    with story() as (told, boundaries):
        expected, vms, total = told.end(), told.vms_made(), len(boundaries.passed)
    for number in range(0, total, 11):
        with story((number, number + 1 + number % 5)) as (told, _):
            assert len(told.daemon.deaths) == 2, number
            assert told.end() == expected, (number, told.daemon.deaths)
            assert told.vms_made() <= vms + 2, number
