"""A whole site in one process and in a time of its own: real loop, journal, spool and SDK over TLS; Azure and Slurm are
simulated.

A scenario says what is given (`whole_site(...)`, `faults`), what happens (`slurm.submit`, `run`), and what must be true
then. Times are seconds of the site's clock. It moves when all that is due has happened, so that a slow machine changes
nothing."""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm_azure.azure.cloud import Cloud
from slurm_azure.azure.compute import AzureCompute
from slurm_azure.azure.credential import make_credential
from slurm_azure.azure.limits import Limits
from slurm_azure.config import Config
from slurm_azure.daemon.assemble import Parts, assemble, settings_of
from slurm_azure.daemon.steady import Steady
from slurm_azure.intake import accept
from slurm_azure.journal import Journal
from slurm_azure.model import Launch
from slurm_azure.simulator.timing import Distribution, constant
from tests.simulator.faulty import control, put
from tests.support.clouds import config_for
from tests.support.configs import a_config
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure
from tests.support.slurmctld import Slurmctld

READ_TIMEOUT = 1.5  # the product's, in seconds of ours: an answer that is lost is waited for in earnest
STEP, LOOK = 1.0, 2.0  # seconds between two turns of the daemon, of slurmctld
PATIENCE = 0.3  # of our seconds, for an answer that the simulator holds back
SIZE = "Standard_F2s_v2"


class OneClock(ManualClock):
    """The clock of everybody: who waits for Azure lives in Azure's time too."""

    def __init__(self) -> None:
        super().__init__()
        self._moved = threading.Condition()
        self._stopped = False
        self.sleeping = 0

    def sleep_for(self, seconds: float) -> None:
        """Block for seconds of this clock."""
        until = self.now() + seconds
        with self._moved:
            self.sleeping += 1
            self._moved.wait_for(lambda: self._stopped or self.now() >= until)
            self.sleeping -= 1

    def wake(self, stop: bool = False) -> None:
        """The clock has moved (or will not any more)."""
        with self._moved:
            self._stopped = stop
            self._moved.notify_all()


@dataclass
class Guest:
    """What a node's guest does once its VM runs: `seconds` later its slurmd registers; or it reports a failed `step` with a
    `cause`; or nothing ever (`silent`). `times`: boots this is for, those after them are good."""

    seconds: float = 10.0
    step: str = ""
    cause: str = ""
    silent: bool = False
    times: int = 1_000_000


def pool(nodes: str, **changes: Any) -> dict[str, Any]:
    """A pool's section."""
    return {"nodes": nodes, "sizes": [SIZE], "image": {"marketplace": "a:b:c:latest"}} | changes


class Site:
    """`doubles` are nodes that were seen with two VMs at work, `strays` VMs that the journal did not know: neither may be.

    `guests` says what nodes do (by name; others boot well); `skew` is how far the daemon's clock is from everybody's.
    """

    def __init__(
        self, azure: SimulatedAzure, clock: OneClock, folder: Path, document: dict[str, Any], timers: dict[str, float]
    ):
        self.azure, self.clock, self.folder, self.document = azure, clock, folder, document
        (folder / "spool").mkdir(exist_ok=True)
        self._requests, self._ids = itertools.count(), itertools.count(1)
        names = ",".join(one["nodes"] for one in document["pools"].values())
        self.slurm = Slurmctld(names, clock.now, self.hook, **timers)
        self.guests: dict[str, Guest] = {}
        self.skew = 0.0
        self.doubles: Counter[str] = Counter()
        self.strays: set[str] = set()
        self.foreign: set[str] = set()
        self._running_since: dict[str, float] = {}
        self._boots: Counter[str] = Counter()
        self._reported: set[str] = set()
        self._clouds: list[Cloud] = []
        self._next_look = 0.0
        self.parts = self._assemble()
        self.alive = True

    # the daemon

    def config(self) -> Config:
        """The configuration, as the document says it now."""
        return a_config(azure=config_for(self.azure).azure.model_dump(mode="json"), **self.document)

    def _cloud(self, config: Config) -> AzureCompute:
        clock = self.clock
        return AzureCompute(
            config,
            make_credential(config.azure, clock.now),
            Limits(config.limits.requests, clock.now),
            sleep=clock.sleep_for,
            read_timeout=READ_TIMEOUT,
        )

    def _assemble(self) -> Parts:
        config = self.config()
        new_id = lambda: f"{next(self._ids):04x}"  # noqa: E731
        return assemble(config, self.folder, self.folder, new_id, self._cloud(config), self.slurm, self._daemons_clock())

    def _work(self) -> None:
        """The daemon's turns, as daemon/service.py has them, until all that it has started has ended or waits for time."""
        calls, until = self.parts.calls, time.monotonic() + PATIENCE
        self.parts.loop.turn()
        while calls.busy():
            if not calls.pending():
                self.parts.loop.turn()
                until = time.monotonic() + PATIENCE
            elif time.monotonic() > until or self.clock.sleeping >= sum(calls.under_way.values()):
                return
            else:
                self.parts.bell.wait(0.01)

    def kill(self) -> None:
        """kill -9: what the daemon had in memory is gone; calls that are under way may still have their effect."""
        self.alive = False
        self.parts.close()
        self._clouds.append(self.parts.actor.cloud)

    def start(self) -> None:
        """The daemon starts again."""
        self.parts = self._assemble()
        self.alive = True

    def reload(self, **document: Any) -> None:
        """Go on with other top-level keys, as after SIGHUP."""
        self.document |= document
        config = self.config()
        settings = settings_of(config)
        self.parts.loop.reload(settings)
        self._clouds.append(self.parts.actor.cloud)
        self.parts.actor.use(self._cloud(config), self.slurm)

    def close(self) -> None:
        """End it all."""
        if self.alive:
            self.kill()
        self.clock.wake(stop=True)
        for cloud in self._clouds:
            cloud.close()

    # what happens

    def _daemons_clock(self) -> Steady:
        """What the daemon makes of the machine's clock, which `skew` has set."""
        return Steady(lambda: self.clock.now() + self.skew, self.clock.now)

    def hook(self, kind: str, nodes: str, resume_file: bytes = b"") -> None:
        """What a hook of slurmctld leaves in the spool, and its wake-up."""
        at = int((self.clock.now() + self.skew) * 1e9) + next(self._requests)
        accept(str(self.folder / "spool"), kind, os.fsencode(nodes), resume_file, at)
        self.parts.bell.ring()

    def faults(self, *plan: Any) -> None:
        """From now on this goes wrong, and nothing else."""
        put(self.azure, *plan)

    def run(self, happened: Callable[[], object], seconds: float = 900.0) -> float:
        """Let the site live until it has happened; the seconds it took. Fails after `seconds`."""
        began = self.clock.now()
        while not happened():
            assert self.clock.now() - began < seconds, f"not within {seconds:.0f} s: {self.told()}"
            self.turn()
        return self.clock.now() - began

    def live(self, seconds: float) -> None:
        """Let time go by."""
        end = self.clock.now() + seconds
        self.run(lambda: self.clock.now() >= end, seconds + 600)

    def rest(self, seconds: float = 1800.0) -> None:
        """Until all jobs are over and nothing is left; then nothing may have been doubled or unknown."""
        self.run(self.at_rest, seconds)
        assert (self.doubles, self.strays) == (Counter(), set())
        assert self.left() == {"vms": 0, "interfaces": 0, "disks": 0}

    def turn(self) -> None:
        """A step of time, and what comes of it: in Azure, in the daemon, in the guests and in slurmctld."""
        self.azure.advance(STEP)
        self.clock.wake()
        if self.alive:
            self._work()
        if self.clock.now() >= self._next_look:
            self._next_look = self.clock.now() + LOOK
            vms = [vm for vm in self.azure.vms() if vm["name"] not in self.foreign]
            self._look(vms)
            self.slurm.step({vm["computerName"] for vm in vms if self._is_up(vm)})

    def _is_up(self, vm: dict[str, Any]) -> bool:
        """Whether the VM's slurmd runs; on the way the guest does what it is to do."""
        if vm["provisioningState"] != "Succeeded" or vm["powerState"] != "running":
            return False
        node, now = vm["computerName"], self.clock.now()
        if vm["vmId"] not in self._running_since:
            self._running_since[vm["vmId"]] = now
            self._boots[node] += 1
        guest = self.guests.get(node, Guest())
        bad = self._boots[node] <= guest.times and (guest.silent or guest.step)
        passed = now - self._running_since[vm["vmId"]]
        if passed < guest.seconds or (bad and guest.silent):
            return False
        if vm["vmId"] not in self._reported:
            self._reported.add(vm["vmId"])
            self.slurm.set_node(node, comment=_report(vm, guest, passed, bool(bad)))
        return not bad

    def _look(self, vms: list[dict[str, Any]]) -> None:
        """A VM was seen before the journal is asked: the other way round one that was just planned would look unknown."""
        launches = {launch.vm_name: launch for launch in self.launches()}
        self.strays |= {vm["name"] for vm in vms if vm["name"] not in launches}
        live = Counter(vm["computerName"] for vm in vms if vm["name"] in launches and launches[vm["name"]].live)
        self.doubles.update({node: 1 for node, count in live.items() if count > 1})

    # what there is

    def launches(self, node: str | None = None) -> list[Launch]:
        """The journal's launches."""
        if self.alive:
            return self.parts.journal.launches(node)
        journal = Journal.open(self.folder / "journal.db", readonly=True)
        try:
            return journal.launches(node)
        finally:
            journal.close()

    def vms(self) -> list[str]:
        """The VMs that there are and that are not on their way out."""
        return [
            vm["name"] for vm in self.azure.vms() if vm["provisioningState"] != "Deleting" and vm["name"] not in self.foreign
        ]

    def at_rest(self) -> bool:
        """All jobs over, all nodes off, no VM, no request, every launch gone."""
        if not (self.slurm.over() and self.slurm.asleep()) or any((self.folder / "spool").glob("*.request")):
            return False
        mine = [vm for vm in self.azure.vms() if vm["name"] not in self.foreign]
        return not mine and all(launch.gone_at is not None for launch in self.launches())

    def left(self) -> dict[str, int]:
        """What there is in the resource group, by its own account."""
        provisioning = self.azure.simulator._provisioning
        assert provisioning is not None
        group = provisioning._world.group(self.azure.subscription, self.azure.resource_group)
        return {kind: len(getattr(group, kind)) for kind in ("vms", "interfaces", "disks")}

    def requests(self, operation: str = "*", vm: str = "*") -> list[dict[str, Any]]:
        """The last requests that match, oldest first."""
        found: list[dict[str, Any]] = control(self.azure, "GET", f"/requests?recent=2000&operation={operation}&vm={vm}").body[
            "recent"
        ]
        return found

    def counts(self) -> Counter[str]:
        """How often each operation was asked for."""
        return Counter(self.azure.counts())

    def hits(self) -> dict[str, int]:
        """How often each fault has hit."""
        return {fault["name"]: fault["hits"] for fault in control(self.azure, "GET", "/faults").body["faults"]}

    def metric(self, name: str, **labels: str) -> float:
        """A sample of the daemon's metrics (0 if there is none); all that have these labels, added up."""
        families = self.parts.metrics.registry.collect()
        samples = [sample for family in families for sample in family.samples if sample.name == f"slurm_azure_{name}"]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())

    def told(self) -> Mapping[str, object]:
        """What one wants to know when a test fails."""
        return {
            "slurm": self.slurm.unfinished(),
            "told": [(what.value, names[:3], reason) for what, names, reason, _ in self.slurm.told[-8:]],
            "vms": [(vm["name"], vm["provisioningState"], vm["powerState"]) for vm in self.azure.vms()][:10],
            "launches": [
                (launch.vm_name, launch.stage.value, launch.failure and launch.failure.detail[:80])
                for launch in self.launches()
                if launch.gone_at is None
            ][:10],
            "faults": self.hits(),
            "requests": dict(self.counts()),
        }


def _report(vm: dict[str, Any], guest: Guest, seconds: float, bad: bool) -> str:
    """The line that a node puts into its Comment in Slurm."""
    head = f"slurm-azure boot={'failed' if bad else 'ok'} launch={vm['tags']['slurm-azure-launch']} seconds={seconds:.1f}"
    head += " stages=host-name:0.01,mounts:4.10 memory=7900 cpus=2"
    return f"{head} step={guest.step} cause={guest.cause}" if bad else head


@contextmanager
def whole_site(
    folder: Path,
    pools: dict[str, Any] | None = None,
    *,
    partition: dict[str, Any] | None = None,
    timers: dict[str, float] | None = None,
    simulator: dict[str, Any] | None = None,
    **document: Any,
) -> Iterator[Site]:
    """A site for the length of a `with` block: pool `hb` of az-[1-10] unless told; one partition `cloud` of all pools.

    `timers` are of `Slurmctld`, `simulator` options of `simulated_azure`, further keys are top-level ones of slurm-azure.yaml.
    """
    clock = OneClock()
    pools = pools or {"hb": pool("az-[1-10]")}
    timers = {"resume_timeout": 600.0} | (timers or {})
    cloud = {"pools": list(pools), "resume_timeout": timers["resume_timeout"]} | (partition or {})
    limits = {"failed_node_hold": 20.0} | document.pop("limits", {})
    document = {"pools": pools, "partitions": {"cloud": cloud}, "limits": limits} | document
    spans: dict[str, Any] = {
        "create_seconds": Distribution("uniform", 2.0, 5.0),
        "boot_seconds": Distribution("uniform", 5.0, 15.0),
        "delete_seconds": Distribution("uniform", 5.0, 10.0),
        "force_delete_seconds": constant(3.0),
    }
    with simulated_azure(clock=clock, **spans | (simulator or {})) as azure:
        site = Site(azure, clock, folder, document, timers)
        try:
            yield site
        finally:
            site.close()
