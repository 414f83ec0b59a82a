"""The broom: what VMs left behind is found by two looks, removed, and counted; whatever cannot be done is left for later."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.azure.cloud import Call, VmOrder
from slurm_azure.errors import CloudUnreachable, CreateRefused, CredentialRefused, Throttled
from slurm_azure.model import LaunchId, Leftover, LeftoverKind, NodeName, PoolName, Power, VmName
from tests.support.configs import a_config
from tests.support.daemons import Daemon, a_daemon

INTERVAL = 600.0


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with a_daemon(tmp_path, a_config(limits={"sweep_interval": INTERVAL})) as daemon:
        daemon.settle()
        yield daemon


def a_leftover(number: int = 1, kind: LeftoverKind = LeftoverKind.INTERFACE, **changes: Any) -> Leftover:
    """One whose VM is not there, of a launch that nobody knows."""
    made = {"kind": kind, "name": f"{kind.name.lower()}-{number}", "node": NodeName("az-1"), "launch": LaunchId("lost")}
    return Leftover(**{**made, "pool": PoolName("hb"), **changes})


def looks(daemon: Daemon) -> list[float]:
    """When leftovers are looked for from now on."""
    at: list[float] = []
    daemon.cloud.on_leftovers = lambda: at.append(daemon.now)
    return at


def sample(daemon: Daemon, name: str, kind: str) -> float | None:
    value: float | None = daemon.parts.metrics.registry.get_sample_value(name, {"kind": kind})
    return value


def test_found_twice_and_removed(daemon: Daemon) -> None:
    """Five minutes after the start, and a lag later again: an interface and a disk go, and are counted, found and removed; the
    node's timeline tells."""
    daemon.cloud.left = [a_leftover(), a_leftover(kind=LeftoverKind.DISK)]
    at, begin = looks(daemon), daemon.now
    daemon.settle(330)
    assert daemon.cloud.removed == []
    daemon.settle(200)
    assert len(daemon.cloud.removed) == 2
    assert daemon.cloud.left == []
    assert at[0] - begin == pytest.approx(300, abs=2)
    assert at[1] - at[0] >= 60
    daemon.settle(300)
    for kind in ("interface", "disk"):
        assert sample(daemon, "slurm_azure_orphans_found_total", kind) == 1
        assert sample(daemon, "slurm_azure_orphans_removed_total", kind) == 1
    texts = [event.text for event in daemon.parts.journal.events("az-1")]
    assert sum("left behind (launch lost)" in text for text in texts) == 2


def test_nothing_there_costs_next_to_nothing(daemon: Daemon) -> None:
    """With nothing left behind there is one look in each interval."""
    at = looks(daemon)
    daemon.settle(2.6 * INTERVAL)
    assert len(at) == 3
    assert at[2] - at[1] == pytest.approx(INTERVAL, abs=5)


def test_those_of_running_and_kept_vms_stay(daemon: Daemon) -> None:
    """What belongs to a VM that is there, or to a launch that is not over, stays, attached or not."""
    daemon.power(Power.WAKING, "az-1")
    daemon.hook("resume", "az-1")
    daemon.settle(20)
    daemon.power(Power.UP, "az-1")
    [launch] = daemon.launches()
    daemon.cloud.left = [a_leftover(launch=launch.id)]
    daemon.settle(2 * INTERVAL)
    assert daemon.cloud.removed == []


def test_sooner_after_a_create_that_failed(daemon: Daemon) -> None:
    """A create that was refused, or whose answer was lost, brings the next look forward to five minutes from then."""

    def refuse(order: VmOrder) -> None:
        raise CreateRefused("InvalidParameter", "no", 400)

    daemon.settle(320)
    at, begin = looks(daemon), daemon.now
    daemon.cloud.on_create = refuse
    daemon.power(Power.WAKING, "az-1")
    daemon.hook("resume", "az-1")
    daemon.settle(310)
    assert [look - begin for look in at[:1]] == [pytest.approx(300, abs=5)]


def test_a_role_of_an_older_release(daemon: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    """Without the right to look: said once in the log, tried again an interval later, and nothing else suffers."""

    def refuse() -> None:
        raise CredentialRefused("no right to Microsoft.Network/networkInterfaces/read")

    daemon.cloud.on_leftovers = refuse
    daemon.settle(3 * INTERVAL)
    assert sum("left behind cannot be looked for" in record.message for record in caplog.records) == 1
    assert daemon.parts.loop.tally.azure_ok, "that is about rights, not about Azure"
    daemon.hook("resume", "az-1")
    daemon.settle(5)
    assert len(daemon.cloud.orders) == 1


@pytest.mark.parametrize("error", [CloudUnreachable("away"), Throttled(30, "reads")])
def test_azure_away(daemon: Daemon, error: Exception) -> None:
    """A look that fails proves nothing; what it was to find is found when Azure is back."""

    def fail() -> None:
        raise error

    daemon.cloud.left = [a_leftover()]
    daemon.cloud.on_leftovers = fail
    daemon.settle(1000)
    assert daemon.cloud.removed == []
    daemon.cloud.on_leftovers = lambda: None
    daemon.settle(600)
    assert daemon.cloud.removed == [a_leftover()]


def test_one_that_does_not_go_is_asked_less_and_less(daemon: Daemon) -> None:
    """Azure refuses to remove it (a lock): each look asks once more, at longer and longer intervals, and the gauge stays up."""
    asked: list[float] = []

    def refuse(leftover: Leftover) -> None:
        asked.append(daemon.now)
        raise CredentialRefused("ScopeLocked")

    daemon.cloud.left = [a_leftover()]
    daemon.cloud.on_remove = refuse
    daemon.settle(7 * INTERVAL)
    assert 5 < len(asked) < 10
    assert asked[-1] - asked[-2] == pytest.approx(INTERVAL, abs=5)
    assert sample(daemon, "slurm_azure_orphan_resources", "interface") == 1


def test_budgets_are_kept(daemon: Daemon) -> None:
    """With no token for it nothing is looked for or removed; with one, everything is, a few at a time."""
    daemon.cloud.left = [a_leftover(number) for number in range(50)]
    daemon.cloud.wait[Call.SWEEP] = 40.0
    at = looks(daemon)
    daemon.settle(500)
    assert at == []
    del daemon.cloud.wait[Call.SWEEP]
    daemon.cloud.wait[Call.REMOVE] = 10.0
    daemon.settle(500)
    assert len(at) >= 2
    assert daemon.cloud.removed == []
    del daemon.cloud.wait[Call.REMOVE]
    daemon.settle(20)
    assert len(daemon.cloud.removed) == 50


def test_vm_that_shows_up_between_two_looks(daemon: Daemon) -> None:
    """A VM of ours that no launch explains may come to be listed late: its interface is not taken from it."""
    daemon.cloud.left = [a_leftover()]
    daemon.settle(330)
    order = VmOrder(
        VmName("az-1-lost"), NodeName("az-1"), LaunchId("lost"), PoolName("hb"), a_config().pools["hb"].offers()[0], ""
    )
    daemon.cloud.make(order)
    daemon.settle(30)
    assert daemon.cloud.removed == []
