"""Jobs, faults, orders, administrators, kills and time in any order: the invariants of docs/design.md after each step, by their
numbers, and rest in the end. Slurm is one in miniature that does with nodes and jobs what slurmctld does."""

from __future__ import annotations

import functools
import itertools
import tempfile
from collections import Counter, deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from slurm_azure.azure.cloud import VmOrder
from slurm_azure.config import Config
from slurm_azure.daemon.assemble import settings_of
from slurm_azure.daemon.orders import Order, OrderKind, give
from slurm_azure.daemon.settings import Settings
from slurm_azure.errors import CloudUnreachable, CreateRefused, Throttled
from slurm_azure.intake import accept
from slurm_azure.model import Launch, NodeName, Power, Priority, Vm, VmName, VmState
from tests.support.configs import a_config
from tests.support.mortal import Boundaries, MortalDaemon
from tests.support.nodes import NOW
from tests.support.recording_cloud import RecordingCloud
from tests.support.slurmctld import SimJob, Slurmctld

NODES = [f"az-{number}" for number in range(1, 6)]
SIZES = ["Standard_F2s_v2", "Standard_D4s_v5"]
nodes = st.sampled_from(NODES)
BOOT, STEP = 8.0, 2.0
TOLD_WITHIN = 30.0
REST = 4000.0

POOLS: list[dict[str, Any]] = [
    {},
    {"all_or_nothing": True},
    {"priority": "spot", "spot": {"fallback": "on-demand"}},
    {"budget": {"nodes": 3}},
    {"budget": {"booting": 2}, "all_or_nothing": True},
    {"attempts": 1, "order": "spread", "zones": ["1", "2"]},
]
_COOLING = [
    "capacity",
    "quota",
    "spot-price",
    "evicted",
    "network",
    "image",
    "configuration",
    "permission",
    "policy",
    "unknown",
]
_REFUSALS = {
    "no room": CreateRefused("SkuNotAvailable", "The requested size is currently not available.", 409),
    "quota": CreateRefused("OperationNotAllowed", "exceeding approved standardFSv2Family Cores quota.", 409),
    "subnet": CreateRefused("SubnetIsFull", "Subnet burst does not have enough capacity for 1 IP addresses.", 400),
    "policy": CreateRefused("RequestDisallowedByPolicy", "Resource was disallowed by policy.", 403),
    "unknown": CreateRefused("NeverHeardOf", "what nobody knows", 400),
    "throttled": Throttled(40.0, "creates"),
    "lost before": CloudUnreachable("connection reset"),
    "lost after": CloudUnreachable("connection reset"),
}


@functools.cache
def site_settings(number: int) -> tuple[Config, Settings]:
    """The configuration with that pool, and what the daemon makes of it."""
    hb = {"nodes": "az-[1-5]", "sizes": SIZES, "image": {"marketplace": "a:b:c:latest"}}
    hb |= {"breaker": {"failures": 3, "pause": 60.0}} | POOLS[number]
    config = a_config(
        pools={"hb": hb},
        partitions={"cloud": {"pools": ["hb"], "resume_timeout": 200.0}},
        limits={"failed_node_hold": 10.0, "delete_retry": 30.0, "cool_downs": dict.fromkeys(_COOLING, 60.0)},
    )
    return config, settings_of(config)


class LaggingCloud(RecordingCloud):
    """Lists show the VMs as they were `lag` seconds ago."""

    def __init__(self) -> None:
        super().__init__()
        self.lag = self.now = 0.0
        self._past: deque[tuple[float, dict[VmName, Vm]]] = deque(maxlen=60)

    def remember(self, now: float) -> None:
        """Time goes by."""
        self.now = now
        self._past.append((now, dict(self.vms)))

    def list(self) -> Iterable[Vm]:
        now = super().list()
        then = [vms for at, vms in self._past if at <= self.now - self.lag]
        return tuple((then[-1] if then else {}).values()) if self.lag else now


class LifeOfJobs(RuleBasedStateMachine):
    """A site of five nodes, and what may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.folder = Path(self._folder.name)
        self.now, self._requests = NOW, itertools.count()
        self.cloud = LaggingCloud()
        self.cloud.on_create, self.cloud.on_delete = self._on_create, self._on_delete
        self.kind, self.only = "works", ""
        self.bad_boots: Counter[str] = Counter()
        self.admins: dict[str, str] = {}
        self.evicted: set[str] = set()
        self.unreachable_at = NOW
        self.wrongs: list[str] = []
        self._since: dict[str, float] = {}
        self._failing: set[str] = set()

    @initialize(pool=st.sampled_from(POOLS))
    def a_site(self, pool: dict[str, Any]) -> None:
        (self.folder / "spool").mkdir()
        config, made = site_settings(POOLS.index(pool))
        timers = {"suspend_time": 20.0, "resume_timeout": 200.0, "suspend_timeout": 10.0}
        self.slurm = Slurmctld("az-[1-5]", lambda: self.now, self._hook, **timers)
        self.daemon = MortalDaemon(self.folder, config, self.cloud, self.slurm, lambda: self.now, Boundaries(), made)

    # the world

    def _hook(self, kind: str, names: str, resume_file: bytes) -> None:
        accept(str(self.folder / "spool"), kind, names.encode(), resume_file, int(self.now * 1e9) + next(self._requests))

    def _on_create(self, order: VmOrder) -> None:
        if order.vm_name not in {launch.vm_name for launch in self.launches()}:
            self.wrongs.append(f"3: {order.vm_name} is created and not in the journal")
        if self.kind == "works" or (self.only and order.offer.size != self.only):
            return
        if self.kind == "no Spot":
            if order.offer.priority is Priority.SPOT:
                raise _REFUSALS["no room"]
            return
        if self.kind == "lost after":
            self.cloud.make(order)
        raise _REFUSALS[self.kind]

    def _on_delete(self, name: VmName) -> None:
        """Nobody may take the VM under a job that runs well."""
        vm = self.cloud.vms.get(name)
        node = self.slurm.known.get(vm.node) if vm is not None else None
        if vm is None or node is None or node.power is not Power.UP or node.down or node.drained:
            return
        job = self.slurm.queue.get(node.job) if node.job is not None else None
        newest = max((one.planned_at for one in self.launches() if one.node == vm.node), default=0.0)
        its = next((one.planned_at for one in self.launches() if one.vm_name == name), newest)
        if job is not None and job.state == "RUNNING" and its == newest and vm.state is VmState.SUCCEEDED:
            self.wrongs.append(f"4: {name} is deleted under job {job.id}")

    def _ready(self) -> set[str]:
        up: set[str] = set()
        for vm in tuple(self.cloud.vms.values()):
            if vm.name not in self._since:
                self._since[vm.name] = self.now
                if self.bad_boots[vm.node] > 0:
                    self.bad_boots[vm.node] -= 1
                    self._failing.add(vm.name)
            if vm.state is not VmState.SUCCEEDED or self.now - self._since[vm.name] < BOOT:
                continue
            if vm.name in self._failing:
                words = f"slurm-azure boot=failed launch={vm.launch} seconds=5 stages=- memory=1 cpus=1 step=mounts cause=no"
                self.slurm.set_node(vm.node, comment=words)
            else:
                up.add(vm.node)
        return up

    def step(self) -> None:
        """Two seconds."""
        self.now += STEP
        self.cloud.remember(self.now)
        self.daemon.turn()
        self.slurm.step(self._ready())
        self._check()

    def launches(self) -> list[Launch]:
        """The journal's."""
        return self.daemon.journal.launches()

    # what may happen

    @rule(wanted=st.lists(nodes, min_size=1, max_size=3, unique=True), seconds=st.sampled_from([5.0, 60.0]))
    def a_job_comes(self, wanted: list[str], seconds: float) -> None:
        self.slurm.submit(",".join(wanted), seconds=seconds)

    @rule(data=st.data())
    def a_job_is_cancelled(self, data: st.DataObject) -> None:
        waiting: list[SimJob] = [job for job in self.slurm.queue.values() if not job.ended]
        if waiting:
            self.slurm.cancel(data.draw(st.sampled_from(waiting)))

    @rule(seconds=st.sampled_from([2, 10, 40, 150]))
    def time_goes_by(self, seconds: int) -> None:
        for _ in range(int(seconds / STEP)):
            self.step()

    @rule(kind=st.sampled_from(["works", "no Spot", *_REFUSALS]), only=st.sampled_from(["", *SIZES]))
    def azure_answers_creates(self, kind: str, only: str) -> None:
        self.kind, self.only = kind, only

    @rule(state=st.sampled_from([VmState.SUCCEEDED, VmState.CREATING, VmState.FAILED]), slow=st.booleans())
    def azure_makes_vms_so(self, state: VmState, slow: bool) -> None:
        self.cloud.new_state, self.cloud.slow_deletes = state, slow
        self.cloud.finish_deletes()

    @rule(lag=st.sampled_from([0.0, 10.0, 30.0]))
    def lists_lag(self, lag: float) -> None:
        self.cloud.lag = lag

    @rule(node=nodes, times=st.integers(1, 3))
    def boots_fail(self, node: str, times: int) -> None:
        self.bad_boots[node] = times

    @rule(data=st.data())
    def azure_takes_a_vm(self, data: st.DataObject) -> None:
        if self.cloud.vms:
            name = data.draw(st.sampled_from(sorted(self.cloud.vms)))
            self.evicted.add(self.cloud.vms.pop(name).node)

    @rule(node=nodes, down=st.booleans())
    def an_administrator_takes_a_node(self, node: str, down: bool) -> None:
        if node not in self.admins and not self.slurm.known[NodeName(node)].reason:
            self.admins[node] = f"admin says so {len(self.admins)}"
            self.slurm.set_node(node, reason=self.admins[node], **({"down": True} if down else {"drained": True}))

    @rule(node=nodes)
    def an_administrator_gives_it_back(self, node: str) -> None:
        if self.admins.pop(node, None):
            self.slurm.set_node(node, reason="", down=False, drained=False)

    @rule(pool=st.sampled_from([None, "hb"]), seconds=st.sampled_from([30.0, 300.0]))
    def an_administrator_pauses(self, pool: Any, seconds: float) -> None:
        order = Order(OrderKind.PAUSE, self.now, "root", pool, self.now + seconds, "night")
        give(self.folder / "orders", order, int(self.now * 1e9) + next(self._requests))

    @rule(answers=st.booleans())
    def slurmctld_comes_or_goes(self, answers: bool) -> None:
        self.slurm.answers = answers
        self.unreachable_at = self.now

    @rule(heard=st.booleans())
    def hooks_are_heard(self, heard: bool) -> None:
        self.slurm.hooks_work = heard

    @rule(later=st.integers(0, 30))
    def the_daemon_is_killed(self, later: int) -> None:
        marks = self.daemon.boundaries
        marks.kill_at = frozenset({len(marks.passed) + later})

    # what must always hold

    def _check(self) -> None:
        launches = self.launches()
        live = Counter(launch.node for launch in launches if launch.live)
        if any(count > 1 for count in live.values()):
            self.wrongs.append(f"2: {live}")
        names = {launch.vm_name for launch in launches}
        self.wrongs += [f"3: nobody knows {name}" for name in self.cloud.vms if name not in names]
        for node, reason in self.admins.items():
            shown = self.slurm.known[NodeName(node)]
            if shown.reason != reason or not (shown.down or shown.drained):
                self.wrongs.append(f"5: {node} was {reason!r} and is {shown.reason!r}")
        for launch in launches:
            late = launch.failure is not None and launch.told_at is None and launch.released_at is not None
            if late and self.slurm.answers and self.now - max(launch.released_at or 0.0, self.unreachable_at) > TOLD_WITHIN:
                self.wrongs.append(f"6: Slurm has not been told of {launch.vm_name}: {launch.failure}")

    @invariant()
    def nothing_is_wrong(self) -> None:
        assert not self.wrongs, self.wrongs

    # how it always ends

    def teardown(self) -> None:
        try:
            if hasattr(self, "daemon"):
                self._end()
        finally:
            if hasattr(self, "daemon"):
                self.daemon.close()
            self._folder.cleanup()

    def _end(self) -> None:
        """Faults stop, administrators give back what they took: all jobs run, and nothing is left."""
        self.kind, self.cloud.lag, self.cloud.new_state, self.cloud.slow_deletes = "works", 0.0, VmState.SUCCEEDED, False
        self.cloud.finish_deletes()
        self.bad_boots.clear()
        self.slurm.answers = self.slurm.hooks_work = True
        self.unreachable_at = self.now
        for node in list(self.admins):
            self.an_administrator_gives_it_back(node)
        end = self.now + REST
        while not self._at_rest() and self.now < end:
            self.step()
        rest = {"slurm": self.slurm.unfinished(), "vms": list(self.cloud.vms), "wishes": self.daemon.journal.wishes()}
        rest["launches"] = [(one.vm_name, one.stage, one.failure) for one in self.launches() if one.gone_at is None]
        assert self._at_rest(), rest
        assert not self.wrongs, self.wrongs
        assert list((self.folder / "spool").iterdir()) == []

    def _at_rest(self) -> bool:
        quiet = self.slurm.over() and self.slurm.asleep() and not self.cloud.vms and self.daemon.journal.wishes() == []
        return quiet and all(launch.gone_at is not None for launch in self.launches())


LifeOfJobs.TestCase.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLifeOfJobs = LifeOfJobs.TestCase
