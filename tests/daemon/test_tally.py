"""What the loop tells Prometheus of launches, boots and orphans: each thing once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurm_azure.daemon.settings import Settings
from slurm_azure.daemon.tally import Tally
from slurm_azure.daemon.world import World
from slurm_azure.lifecycle.record import Facts, Policy
from slurm_azure.model import (
    REPLACED,
    Blame,
    Failure,
    FailureReason,
    LaunchId,
    Leftover,
    LeftoverKind,
    PoolName,
    VmName,
)
from slurm_azure.web.metrics import Metrics
from tests.support.configs import a_config
from tests.support.nodes import NODE, NOW, POOL, POOLS, a_launch

BOOT = "slurm-azure boot=ok launch=l1 seconds=12.3 stages=mounts:4.10,slurmd:0.30 memory=7900 cpus=2"


@pytest.fixture
def tally() -> Tally:
    return Tally(Metrics("1", ["hb"]))


def value(tally: Tally, name: str, **labels: str) -> float | None:
    """One sample as a scrape would show it."""
    return tally.metrics.registry.get_sample_value(f"slurm_azure_{name}", labels)


def a_leftover(name: str, kind: LeftoverKind = LeftoverKind.DISK) -> Leftover:
    """Something that belongs to nobody."""
    return Leftover(kind, name, NODE, LaunchId("l1"), POOL)


def test_a_wake_up_of_two_attempts(tally: Tally) -> None:
    """Two launches, one of them a retry; one failure, with its reason and its blame; one console log."""
    first = a_launch()
    tally.launch(None, first)
    failure = Failure(FailureReason.BOOT, "mounts", blame=Blame.IMAGE)
    failed = replace(first, failure=failure, released_at=NOW, release_reason=REPLACED)
    tally.launch(first, failed)
    tally.launch(failed, replace(failed, console_at=NOW))
    tally.launch(replace(failed, console_at=NOW), replace(failed, console_at=NOW, delete_sent_at=NOW))
    tally.launch(None, a_launch(id="l2", attempt=2))
    assert (value(tally, "launches_total", pool="hb"), value(tally, "retries_total", pool="hb")) == (2, 1)
    assert value(tally, "node_failures_total", pool="hb", reason="boot") == 1
    assert value(tally, "blamed_failures_total", pool="hb", blame="image") == 1
    assert value(tally, "nodes_released_total", pool="hb", reason="replaced") == 1
    assert value(tally, "console_logs_total") == 1


def test_a_boot_report_counts_once(tally: Tally) -> None:
    """It stays on the launch; what is no report counts nothing."""
    before, told = a_launch(), a_launch(boot=BOOT)
    tally.launch(before, told)
    tally.launch(told, replace(told, joined_at=NOW))
    tally.launch(before, a_launch(boot="rack 7, left"))
    assert value(tally, "boot_step_duration_seconds_sum", step="mounts") == pytest.approx(4.1)
    assert value(tally, "boot_step_duration_seconds_count", step="slurmd") == 1


def test_leftovers_are_found_and_removed_once(tally: Tally) -> None:
    """Look after look: what is new was found, what has gone was removed, by kind."""
    nic = a_leftover("n1", LeftoverKind.INTERFACE)
    tally.leftovers([a_leftover("d1"), a_leftover("d2"), nic])
    tally.leftovers([a_leftover("d2"), a_leftover("d3"), nic])
    tally.leftovers([])
    found = [value(tally, "orphans_found_total", kind=kind) for kind in ("disk", "interface", "vm")]
    removed = [value(tally, "orphans_removed_total", kind=kind) for kind in ("disk", "interface", "vm")]
    assert (found, removed) == ([3, 1, 0], [3, 1, 0])


def end_round(tally: Tally, now: float, **changes: Any) -> None:
    """The end of a round in which Azure's list was begun at `now`."""
    world = World({}, list_at=now, **changes)
    settings = Settings(a_config(), {}, Policy(POOLS, list_lag=60.0), lambda launch: "", lambda pool, offer: None)
    closed = {POOL: Failure(FailureReason.QUOTA, "")}
    tally.round_done(world, settings, 0, 0.1, Facts(now, settings.policy, closed=closed))


def test_vms_are_orphans_once_no_list_can_be_behind(tally: Tally) -> None:
    """A VM that is listed for some seconds after its end is none; one that stays is found once, and removed once."""
    stray = {NODE: {VmName("az-1-l1"): NOW}}
    for seconds, found, removed in ((10, 0, 0), (60, 1, 0), (70, 1, 0)):
        end_round(tally, NOW + seconds, stray_since=stray)
        counted = value(tally, "orphans_found_total", kind="vm"), value(tally, "orphans_removed_total", kind="vm")
        assert counted == (found, removed)
    end_round(tally, NOW + 80)
    assert value(tally, "orphans_removed_total", kind="vm") == 1


def test_a_round_shows_what_it_came_to(tally: Tally) -> None:
    """Closed pools of its facts, leftovers of the last look, and that it reached its end."""
    tally.leftovers([a_leftover("d1")])
    end_round(tally, NOW)
    assert value(tally, "pool_closed", pool="hb", reason="quota") == 1
    assert value(tally, "orphan_resources", kind="disk") == 1
    assert value(tally, "tick_last_success_timestamp_seconds") == NOW
    assert tally.health(NOW + 1)[0]


def test_what_a_pool_cost_that_is_configured_no_more_is_not_lost(tally: Tally) -> None:
    """Its series is called `other`."""
    world = World({})
    world.put(a_launch(pool=PoolName("old"), accepted_at=NOW - 3600, price=2.0))
    settings = Settings(a_config(), {}, Policy(POOLS), lambda launch: "", lambda pool, offer: None)
    tally.round_done(world, settings, 0, 0.1, Facts(NOW, settings.policy))
    assert value(tally, "spent_this_month_usd", pool="other") == pytest.approx(2.0)
