"""Pools with `release: deallocate`: the whole loop over VMs that are stopped, kept, and started again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.azure.cloud import Call
from slurm_azure.config import Config
from slurm_azure.errors import CloudUnreachable, CreateRefused, CredentialRefused
from slurm_azure.lifecycle.park import KEPT
from slurm_azure.model import Launch, Power, VmName
from tests.support.configs import a_document
from tests.support.daemons import Daemon, a_daemon


def a_keeping_config(**pool: Any) -> Config:
    """The small configuration, with `release: deallocate`."""
    document = a_document()
    document["pools"]["hb"] |= {"release": "deallocate", "os_disk": {"kind": "managed"}, **pool}
    return Config.model_validate(document)


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with a_daemon(tmp_path, a_keeping_config()) as daemon:
        daemon.settle()
        yield daemon


def wake(daemon: Daemon, *nodes: str) -> None:
    """Slurm powers nodes up, and they join."""
    daemon.power(Power.WAKING, *nodes)
    for node in nodes:
        daemon.hook("resume", node)
    daemon.settle(20)
    daemon.power(Power.UP, *nodes)
    daemon.settle(20)


def suspend(daemon: Daemon, *nodes: str, seconds: float = 60) -> None:
    """Slurm powers nodes down."""
    daemon.power(Power.STOPPING, *nodes)
    for node in nodes:
        daemon.hook("suspend", node)
    daemon.settle(1)
    daemon.power(Power.OFF, *nodes)
    daemon.settle(seconds)


def unfinished(daemon: Daemon) -> list[Launch]:
    return [launch for launch in daemon.launches() if launch.gone_at is None]


def test_kept_and_started_again(daemon: Daemon) -> None:
    """One create and no delete for two lives of a node: the second launch has the VM of the first, which counts as gone."""
    wake(daemon, "az-1")
    suspend(daemon, "az-1")
    [first] = daemon.launches()
    assert (first.release_reason, first.deallocated_at is not None, first.gone_at) == (KEPT, True, None)
    wake(daemon, "az-1")
    first, second = daemon.launches()
    assert first.gone_at == second.planned_at
    assert second.vm_name == first.vm_name
    assert second.joined_at is not None
    assert (len(daemon.cloud.orders), daemon.cloud.started, daemon.cloud.deleted) == (1, [first.vm_name], [])
    assert daemon.cloud.stopped == set()


def test_a_kept_vm_is_left_in_peace(daemon: Daemon) -> None:
    """While it is kept nothing is asked of it, and the daemon looks as rarely as if nothing were there."""
    wake(daemon, "az-1")
    suspend(daemon, "az-1")
    lists = daemon.cloud.lists
    daemon.settle(3600)
    assert len(daemon.cloud.deallocated) == 1
    assert daemon.cloud.lists - lists <= 3600 / 300 + 1
    assert daemon.cloud.deleted == []


def test_it_survives_a_restart(daemon: Daemon) -> None:
    """kill -9 while it is kept, and while it is being stopped: it is neither lost nor an orphan, and serves again."""
    wake(daemon, "az-1", "az-2")
    suspend(daemon, "az-1", seconds=60)
    suspend(daemon, "az-2", seconds=1)
    daemon.restart()
    daemon.settle(400)
    assert daemon.cloud.deleted == []
    assert all(launch.deallocated_at is not None for launch in unfinished(daemon))
    wake(daemon, "az-1", "az-2")
    assert len(daemon.cloud.orders) == 2
    assert sorted(daemon.cloud.started) == sorted(daemon.cloud.vms)


def test_killed_at_the_moment_of_the_start(daemon: Daemon) -> None:
    """The plan is durable and the start's answer is lost: after a restart it is started again, not made."""
    wake(daemon, "az-1")
    suspend(daemon, "az-1")

    def lose(name: VmName) -> None:
        raise CloudUnreachable("connection reset")

    daemon.cloud.on_start = lose
    daemon.power(Power.WAKING, "az-1")
    daemon.hook("resume", "az-1")
    daemon.settle(2)
    daemon.restart()
    daemon.cloud.on_start = lambda name: None
    daemon.settle(10)
    daemon.power(Power.UP, "az-1")
    daemon.settle(10)
    [launch] = unfinished(daemon)
    assert launch.joined_at is not None
    assert (len(daemon.cloud.orders), daemon.cloud.deleted) == (1, [])


@pytest.mark.parametrize(
    "error",
    [
        CreateRefused("AllocationFailed", "no room", 409),
        CreateRefused("Conflict", "busy", 409),
        CredentialRefused("no right to start"),
    ],
    ids=["capacity", "busy", "rights"],
)
def test_a_start_that_is_refused(tmp_path: Path, error: Exception) -> None:
    """The kept VM is deleted, and the node gets another one within the same wake-up: Slurm hears nothing of it."""
    with a_daemon(tmp_path, a_keeping_config(sizes=["Standard_F2s_v2", "Standard_F4s_v2"])) as daemon:
        wake(daemon, "az-1")
        suspend(daemon, "az-1")
        [kept] = daemon.launches()

        def refuse(name: VmName) -> None:
            raise error

        daemon.cloud.on_start = refuse
        daemon.slurm.told.clear()
        wake(daemon, "az-1")
        [live] = unfinished(daemon)
        assert live.vm_name != kept.vm_name
        assert live.joined_at is not None
        assert daemon.cloud.deleted == [kept.vm_name]
        assert set(daemon.cloud.vms) == {live.vm_name}
        assert daemon.slurm.told == []


def test_a_kept_vm_that_somebody_deleted(daemon: Daemon) -> None:
    """Gone between two looks: the start says so, and the node gets another VM."""
    wake(daemon, "az-1")
    suspend(daemon, "az-1")
    daemon.cloud.vms.clear()
    wake(daemon, "az-1")
    [live] = unfinished(daemon)
    assert live.joined_at is not None
    assert set(daemon.cloud.vms) == {live.vm_name}


def test_awoken_before_it_has_stopped(daemon: Daemon) -> None:
    """A node that is wanted again at once does not wait for its VM to stop: it gets another, and the first is deleted."""
    wake(daemon, "az-1")
    [first] = daemon.launches()
    suspend(daemon, "az-1", seconds=2)
    wake(daemon, "az-1")
    daemon.settle(60)
    [live] = unfinished(daemon)
    assert live.vm_name != first.vm_name
    assert live.joined_at is not None
    assert set(daemon.cloud.vms) == {live.vm_name}


def test_no_more_than_may_be_kept(tmp_path: Path) -> None:
    """Five suspended at once where two may be kept: two are left, the others are deleted."""
    with a_daemon(tmp_path, a_keeping_config(keep={"most": 2})) as daemon:
        nodes = [f"az-{number}" for number in range(1, 6)]
        wake(daemon, *nodes)
        suspend(daemon, *nodes, seconds=300)
        assert len(daemon.cloud.vms) == len(unfinished(daemon)) == 2
        assert daemon.cloud.stopped == set(daemon.cloud.vms)


def test_not_longer_than_may_be_kept(tmp_path: Path) -> None:
    """After `keep.longest` it is deleted."""
    with a_daemon(tmp_path, a_keeping_config(keep={"longest": "10m"})) as daemon:
        wake(daemon, "az-1")
        suspend(daemon, "az-1", seconds=500)
        assert len(daemon.cloud.vms) == 1
        daemon.settle(200)
        assert daemon.cloud.vms == {}
        assert unfinished(daemon) == []


def test_a_role_without_the_right(daemon: Daemon) -> None:
    """A daemon with an older role may not stop VMs: it deletes them, as before."""

    def refuse(name: VmName) -> None:
        raise CredentialRefused("no right to deallocate")

    daemon.cloud.on_deallocate = refuse
    wake(daemon, "az-1")
    suspend(daemon, "az-1")
    assert daemon.cloud.vms == {}
    assert unfinished(daemon) == []
    assert len(daemon.cloud.deallocated) == 1


def test_starts_that_are_throttled_do_not_hold_up_creates(daemon: Daemon) -> None:
    """Each has its own budget: a node without a kept VM gets its own while starts wait."""
    wake(daemon, "az-1")
    suspend(daemon, "az-1")
    daemon.cloud.wait[Call.UPDATE] = 120.0
    daemon.power(Power.WAKING, "az-1", "az-2")
    daemon.hook("resume", "az-[1-2]")
    daemon.settle(5)
    assert [order.node for order in daemon.cloud.orders] == ["az-1", "az-2"]
    assert daemon.cloud.started == []
    del daemon.cloud.wait[Call.UPDATE]
    daemon.settle(130)
    assert len(daemon.cloud.started) == 1


def test_a_node_taken_out_of_the_configuration(tmp_path: Path) -> None:
    """A kept VM of a node that is in no pool any more is deleted."""
    with a_daemon(tmp_path, a_keeping_config()) as daemon:
        wake(daemon, "az-40")
        suspend(daemon, "az-40")
        daemon.config = a_keeping_config(nodes="az-[1-20]")
        daemon.restart()
        daemon.settle(120)
        assert daemon.cloud.vms == {}


def test_a_lost_journal(daemon: Daemon, tmp_path: Path) -> None:
    """What a lost journal leaves stopped in Azure, while Slurm does not want the node, is a stray: it is deleted."""
    wake(daemon, "az-1")
    suspend(daemon, "az-1")
    daemon.parts.close()
    for file in tmp_path.glob("journal*"):
        file.unlink()
    daemon.parts = daemon._start()
    daemon.settle(600)
    assert daemon.cloud.vms == {}
