"""The whole product without slurmctld: the real loop, seam and SDK against the simulated Azure on bad days, in fast time."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.azure.compute import AzureCompute
from slurm_azure.azure.credential import make_credential
from slurm_azure.azure.limits import Limits
from slurm_azure.config import Config
from slurm_azure.daemon.assemble import Parts, assemble
from slurm_azure.intake import accept
from slurm_azure.journal import Journal
from slurm_azure.simulator.clock import FastClock
from slurm_azure.simulator.timing import Distribution, constant
from tests.simulator.faulty import control, put
from tests.support.clouds import config_for
from tests.support.configs import a_config
from tests.support.power_saving import PowerSaving
from tests.support.simulated_azure import SimulatedAzure, simulated_azure

FACTOR = 60.0
READ_TIMEOUT = 60.0  # the product's, in seconds of this world
NODES = [f"az-{number}" for number in range(1, 41)]
RESUME_TIMEOUT = 400.0

# Seconds from the beginning. What is lost, reset or delayed hits creates, deletes, lists and looks alike unless told.
BAD_DAY: list[dict[str, Any]] = [
    {"name": "no tokens", "what": {"kind": "login_down"}, "until": 20},
    {"name": "storm", "what": {"kind": "storm", "statuses": [500, 502, 503]}, "probability": 0.6, "after": 25, "until": 100},
    {"name": "second storm", "what": {"kind": "storm", "body": "json"}, "probability": 0.7, "after": 170, "until": 195},
    {"name": "reset before", "what": {"kind": "reset", "when": "before"}, "probability": 0.05},
    {"name": "reset after", "what": {"kind": "reset", "when": "after"}, "operation": ["creates", "deletes"], "every": 9},
    {"name": "lost", "what": {"kind": "lost", "when": "after"}, "operation": "creates", "every": 11, "count": 4},
    {"name": "lost deletes", "what": {"kind": "lost", "when": "after"}, "operation": "deletes", "every": 13, "count": 3},
    {"name": "garbage", "what": {"kind": "garbage", "form": "truncated"}, "operation": ["creates", "lists"], "every": 10},
    {"name": "busy", "what": {"kind": "another_client", "requests": 200}, "after": 10, "interval": 4, "until": 130},
    {"name": "busy too", "what": {"kind": "another_client", "requests": 200, "budget": "deletes"}, "interval": 4, "until": 250},
    {"name": "refused", "what": "SkuNotAvailable", "every": 12, "count": 3},
    {"name": "conflict", "what": "Conflict", "every": 15, "count": 2},
    {"name": "no host", "what": "ZonalAllocationFailed", "zone": 2, "probability": 0.3, "count": 6},
    {"name": "no guest", "what": {"kind": "boot", "never_ready": True}, "every": 20, "count": 2},
    {"name": "slow deletes", "what": {"kind": "slow_delete", "seconds": "uniform(30,150)"}, "probability": 0.3},
    {"name": "stale lists", "what": {"kind": "list_lag", "seconds": 10}},
]


# What Slurm may be told: the refusals and failures above, and nothing that a lost or repeated call has made of itself.
_EXPLAINED = re.compile("SkuNotAvailable|Conflict|ZonalAllocationFailed|join-timeout")


class OneClock(FastClock):
    """A fast clock for everybody: who waits for Azure lives in Azure's time too."""

    def real(self, seconds: float) -> float:
        return seconds

    def sleep_for(self, seconds: float) -> None:
        """Block for simulated seconds."""
        time.sleep(seconds / FACTOR)


class Site:
    """A daemon, its Azure and its Slurm. `doubles` are nodes that were seen with two VMs at work, `strays` VMs that the
    journal did not know."""

    def __init__(self, azure: SimulatedAzure, clock: OneClock, folder: Path) -> None:
        self.azure, self.clock, self.folder = azure, clock, folder
        (folder / "spool").mkdir()
        self._requests = itertools.count()
        self.slurm = PowerSaving(NODES, clock.now, self.hook, job_seconds=40.0, resume_timeout=RESUME_TIMEOUT)
        self.parts = self._assemble()
        self.journal = Journal.open(folder / "journal.db", readonly=True)
        self.doubles: Counter[str] = Counter()
        self.strays: set[str] = set()
        self._over = threading.Event()

    def _assemble(self) -> Parts:
        config, clock, ids = _config(self.azure), self.clock, itertools.count(1)
        cloud = AzureCompute(
            config,
            make_credential(config.azure, clock.now),
            Limits(config.limits.requests, clock.now),
            sleep=clock.sleep_for,
            read_timeout=READ_TIMEOUT / FACTOR,
        )
        return assemble(config, self.folder, self.folder, lambda: f"{next(ids):04x}", cloud, self.slurm, clock.now)

    def hook(self, kind: str, nodes: str) -> None:
        """What a hook of slurmctld leaves in the spool."""
        at = int(self.clock.now() * 1e9) + next(self._requests)
        accept(str(self.folder / "spool"), kind, nodes.encode(), b"", at)
        self.parts.bell.ring()

    def serve(self) -> None:
        """The daemon's thread: as daemon/service.py does it."""
        while not self._over.is_set():
            wait = self.parts.loop.turn()
            self.parts.bell.wait(min(wait, 5.0) / FACTOR)

    def run(self, seconds: float) -> bool:
        """Let slurmctld and the daemon run until all jobs are done and nothing is left, or for simulated seconds."""
        daemon = threading.Thread(target=self.serve, name="daemon")
        daemon.start()
        end = self.clock.now() + seconds
        try:
            while not (over := self._all_over()) and self.clock.now() < end:
                vms = self.azure.vms()
                self._look(vms)
                self.slurm.step({vm["computerName"] for vm in vms if _is_up(vm)})
                self.clock.sleep_for(2.0)
            return over
        finally:
            self._over.set()
            self.parts.bell.ring()
            daemon.join(10)

    def _look(self, vms: list[dict[str, Any]]) -> None:
        """Two VMs at work for one node, or one that nobody knows: neither may ever be seen. (A VM was seen before the journal
        is asked: the other way round one that was just planned would look unknown.)"""
        launches = {launch.vm_name: launch for launch in self.journal.launches()}
        self.strays |= {vm["name"] for vm in vms if vm["name"] not in launches}
        live = Counter(vm["computerName"] for vm in vms if vm["name"] in launches and launches[vm["name"]].live)
        self.doubles.update({node: 1 for node, count in live.items() if count > 1})

    def _all_over(self) -> bool:
        if not self.slurm.asleep() or self.azure.vms() or any((self.folder / "spool").iterdir()):
            return False
        return all(launch.gone_at is not None for launch in self.journal.launches())


def _config(azure: SimulatedAzure) -> Config:
    """Two zones, and patience that fits the day."""
    here = config_for(azure).azure.model_dump(mode="json")
    pool = {"nodes": "az-[1-40]", "sizes": "Standard_F2s_v2", "zones": ["2", "1"], "image": {"marketplace": "a:b:c:latest"}}
    partition = {"pools": ["hb"], "resume_timeout": RESUME_TIMEOUT}
    return a_config(azure=here, pools={"hb": pool}, partitions={"cloud": partition}, limits={"failed_node_hold": 20.0})


def _is_up(vm: dict[str, Any]) -> bool:
    return bool(vm["provisioningState"] == "Succeeded" and vm["powerState"] == "running")


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    clock = OneClock(FACTOR)
    spans: dict[str, Distribution] = {
        "create_seconds": Distribution("uniform", 2.0, 8.0),
        "boot_seconds": Distribution("uniform", 10.0, 40.0),
        "delete_seconds": Distribution("uniform", 5.0, 20.0),
        "force_delete_seconds": constant(5.0),
    }
    with simulated_azure(clock=clock, throttling=True, **spans) as azure:
        found = Site(azure, clock, folder)
        try:
            yield found
        finally:
            found.journal.close()
            found.parts.close()
            found.parts.actor.cloud.close()


@pytest.mark.timeout(120)
def test_a_bad_day_loses_doubles_and_leaks_nothing(tmp_path: Path) -> None:
    """40 jobs on 40 nodes, while tokens, answers, hosts, guests, budgets and lists fail: each job runs, no node has two VMs,
    and in the end there is no VM, no interface, no disk and no request left."""
    with site(tmp_path) as found:
        put(found.azure, *BAD_DAY)
        over = found.run(2400)
        left = {kind: len(getattr(group(found.azure), kind)) for kind in ("vms", "interfaces", "disks")}
        struck = {fault["name"]: fault["hits"] for fault in control(found.azure, "GET", "/faults").body["faults"]}
        statuses = found.azure.control("/requests")["statuses"]
        assert over, (left, struck, statuses, found.slurm.unfinished(), found.slurm.reasons)
        assert left == {"vms": 0, "interfaces": 0, "disks": 0}
        assert (found.doubles, found.strays, found.slurm.killed) == (Counter(), set(), [])
        assert set(found.slurm.done) == set(NODES)
        assert [reason for reason in found.slurm.reasons if not _EXPLAINED.search(reason)] == []
        assert all(struck[name] for name in struck if name != "stale lists"), struck
        assert all(statuses[f"VirtualMachines_{what}"]["429"] for what in ("CreateOrUpdate", "Delete")), statuses


def group(azure: SimulatedAzure) -> Any:
    """The resource group of the VMs, as the simulator has it."""
    provisioning = azure.simulator._provisioning
    assert provisioning is not None
    return provisioning._world.group(azure.subscription, azure.resource_group)
