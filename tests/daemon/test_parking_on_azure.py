"""Kept VMs and leftovers with the whole product but Slurm: real loop, seam and SDK, a simulated Azure, the product's role."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from slurm_azure.azure.cloud import VmPower
from slurm_azure.azure.compute import AzureCompute
from slurm_azure.azure.credential import make_credential
from slurm_azure.azure.limits import Limits
from slurm_azure.config import Config
from slurm_azure.daemon.assemble import Parts, assemble
from slurm_azure.model import LeftoverKind
from tests.azure.test_leftovers import leave_behind
from tests.daemon.test_parking import suspend, unfinished, wake
from tests.simulator.faulty import put
from tests.support.clouds import config_for
from tests.support.daemons import Daemon
from tests.support.simulated_azure import SimulatedAzure, simulated_azure


class OnAzure(Daemon):
    """A daemon in a test's hands whose Azure is the simulated one."""

    def _start(self) -> Parts:
        self.azure = AzureCompute(self.config, make_credential(self.config.azure), Limits(self.config.limits.requests))
        ids = self._ids
        return assemble(
            self.config, self.folder, self.folder, lambda: f"{next(ids):04x}", self.azure, self.slurm, lambda: self.now
        )


@contextmanager
def a_keeping_daemon(folder: Path) -> Iterator[tuple[OnAzure, SimulatedAzure]]:
    with simulated_azure() as azure:
        document = config_for(azure).model_dump(by_alias=True, exclude_unset=True)
        document["pools"]["hb"] |= {"release": "deallocate", "sizes": ["Standard_F2s_v2", "Standard_F4s_v2"]}
        daemon = OnAzure(folder, Config.model_validate(document))
        try:
            daemon.settle()
            yield daemon, azure
        finally:
            daemon.parts.close()
            daemon.azure.close()


def test_what_a_second_life_costs(tmp_path: Path) -> None:
    """Two lives of a node with one VM and one disk: a PUT, two deallocations, a start; no delete; few looks."""
    with a_keeping_daemon(tmp_path) as (daemon, azure):
        wake(daemon, "az-1")
        [disk] = [one.name for one in daemon.azure.leftovers() if one.kind is LeftoverKind.DISK]
        suspend(daemon, "az-1", seconds=90)
        daemon.restart()
        wake(daemon, "az-1")
        [live] = unfinished(daemon)
        assert live.joined_at is not None
        suspend(daemon, "az-1", seconds=90)
        [kept] = unfinished(daemon)
        assert kept.deallocated_at is not None
        assert [one.name for one in daemon.azure.leftovers() if one.kind is LeftoverKind.DISK] == [disk]
        counts = azure.counts()
        reads = ("List", "InstanceView", "ResourceGroup")
        writes = {name: count for name, count in counts.items() if not name.endswith(reads) and not name.startswith("Login")}
        assert writes == {
            "VirtualMachines_CreateOrUpdate": 1,
            "VirtualMachines_Deallocate": 2,
            "VirtualMachines_Start": 1,
        }
        assert counts["VirtualMachines_InstanceView"] <= 4
        print(f"requests of two lives of a kept VM: {counts}")
        assert daemon.azure.power(kept.vm_name) is VmPower.DEALLOCATED


def test_no_host_for_the_start(tmp_path: Path) -> None:
    """The start is accepted and finds no host: the VM is deleted, the node gets one of another size; nothing is left behind."""
    with a_keeping_daemon(tmp_path) as (daemon, azure):
        wake(daemon, "az-1")
        suspend(daemon, "az-1", seconds=90)
        [kept] = unfinished(daemon)
        put(azure, {"what": {"kind": "capacity", "hosts": 0, "size": "Standard_F2s_v2"}})
        daemon.slurm.told.clear()
        wake(daemon, "az-1")
        daemon.settle(200)
        [live] = unfinished(daemon)
        assert live.vm_name != kept.vm_name
        assert live.offer.size == "Standard_F4s_v2"
        assert live.joined_at is not None
        assert daemon.slurm.told == []
        assert {one.vm for one in daemon.azure.leftovers()} == {live.vm_name}


def test_leftovers_are_swept_up(tmp_path: Path) -> None:
    """An interface and a disk that a VM of ours left behind are gone a quarter of an hour after the daemon's start; those of
    running and kept VMs stay."""
    with a_keeping_daemon(tmp_path) as (daemon, azure):
        wake(daemon, "az-1", "az-2")
        suspend(daemon, "az-2", seconds=90)
        leave_behind(azure, tags={
            "slurm-azure-cluster": "test", "slurm-azure-node": "az-9", "slurm-azure-launch": "lost", "slurm-azure-pool": "hb",
        })  # fmt: skip
        assert len(daemon.azure.leftovers()) == 6
        daemon.now += 3600.0  # the disk is of this hour, by Azure's clock, and of long ago by the daemon's
        daemon.settle(500)
        assert len(daemon.azure.leftovers()) == 4
        assert {one.vm for one in daemon.azure.leftovers()} == {launch.vm_name for launch in unfinished(daemon)}
