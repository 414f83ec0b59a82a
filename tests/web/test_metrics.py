"""The metrics: complete from the start, bounded, true to what they are told."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from slurm_azure.model import Blame, Failure, FailureReason, LeftoverKind, Offer, PoolName, Priority, RequestKind, VmState
from slurm_azure.web.metrics import BootStep, Metrics, OrphanKind
from slurm_azure.web.state import BudgetKind, BudgetView, ClusterState, Level, NodeState

HB, HC = PoolName("hb"), PoolName("hc")
FULL = Failure(FailureReason.CAPACITY, "no room", blame=Blame.CAPACITY)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics("1.2.3", ["hb", "hc"])


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """One sample as a scrape would show it; None = there is no such series."""
    return metrics.registry.get_sample_value(f"slurm_azure_{name}", labels)


def series(metrics: Metrics) -> int:
    """How many series a scrape has, process metrics aside."""
    lines = generate_latest(metrics.registry).decode().splitlines()
    return sum(line.startswith("slurm_azure_") for line in lines)


def test_counters_start_at_zero(metrics: Metrics) -> None:
    """Every pair of pool and reason is there before anything happens, so that increase() sees the first failure."""
    for pool in ("hb", "hc"):
        for reason in FailureReason:
            assert value(metrics, "node_failures_total", pool=pool, reason=reason) == 0
    assert value(metrics, "arm_requests_total", call="create", outcome="throttled") == 0
    assert value(metrics, "requests_total", kind="resume-fail") == 0
    assert value(metrics, "stage_duration_seconds_count", pool="hc", stage="gone") == 0


def test_no_state_is_claimed_before_one_was_seen(metrics: Metrics) -> None:
    """Before the first round there are no gauges of nodes: a zero would look like a cluster without VMs."""
    assert value(metrics, "nodes", pool="hb", state="off") is None
    assert value(metrics, "reachable", peer="slurm") is None


def test_state_is_shown_whole(metrics: Metrics) -> None:
    """What show() got is what a scrape gives; what it did not name is 0."""
    metrics.show(
        ClusterState(
            nodes={(HB, NodeState.JOINED): 3, (HB, NodeState.OFF): 97},
            vms={(HB, VmState.SUCCEEDED): 4},
            orphans=1,
            spool_depth=2,
            oldest_pending_seconds={HC: 61.5},
            cost_per_hour={HB: 14.4},
            resume_timeout={HB: 900.0, HC: 600.0},
            slurm_reachable=True,
        )
    )
    assert value(metrics, "nodes", pool="hb", state="joined") == 3
    assert value(metrics, "nodes", pool="hb", state="off") == 97
    assert value(metrics, "nodes", pool="hc", state="failed") == 0
    assert value(metrics, "vms", pool="hb", state="succeeded") == 4
    assert value(metrics, "orphan_vms") == 1
    assert value(metrics, "spool_depth") == 2
    assert value(metrics, "oldest_pending_age_seconds", pool="hc") == 61.5
    assert value(metrics, "oldest_pending_age_seconds", pool="hb") == 0
    assert value(metrics, "cost_usd_per_hour", pool="hb") == 14.4
    assert value(metrics, "resume_timeout_seconds", pool="hc") == 600
    assert value(metrics, "reachable", peer="slurm") == 1
    assert value(metrics, "reachable", peer="azure") == 0


def test_what_holds_up_a_pool_is_shown(metrics: Metrics) -> None:
    """Closed with its reason, cold offers, open breakers, pauses of the site and of a pool; 0 for what is well."""
    spot = Offer("X", "2", Priority.SPOT, 0.5)
    metrics.show(
        ClusterState(
            closed={HB: FailureReason.PERMISSION},
            cold={(HB, spot): True, (HC, Offer("Y")): False},
            breakers=[HC],
            paused=[HC],
        )
    )
    assert value(metrics, "pool_closed", pool="hb", reason="permission") == 1
    assert value(metrics, "pool_closed", pool="hb", reason="capacity") == 0
    assert value(metrics, "pool_closed", pool="hc", reason="permission") == 0
    assert value(metrics, "offer_cold", pool="hb", size="X", zone="2", priority="spot") == 1
    assert value(metrics, "offer_cold", pool="hc", size="Y", zone="", priority="on-demand") == 0
    assert (value(metrics, "breaker_open", pool="hb"), value(metrics, "breaker_open", pool="hc")) == (0, 1)
    assert (value(metrics, "pool_paused", pool="hb"), value(metrics, "pool_paused", pool="hc")) == (0, 1)
    assert value(metrics, "service_paused") == 0
    metrics.show(ClusterState(paused=[None]))
    assert value(metrics, "service_paused") == 1
    assert value(metrics, "pool_paused", pool="hb") == 0


def test_a_reason_that_closes_no_pool_is_other(metrics: Metrics) -> None:
    """A pool that is closed is never shown as open for want of a label."""
    metrics.show(ClusterState(closed={HB: FailureReason.VANISHED}))
    assert value(metrics, "pool_closed", pool="hb", reason="other") == 1


def test_money_is_shown(metrics: Metrics) -> None:
    """Limits that are set with what is used of them; what was spent, pools that are configured no more included."""
    view = BudgetView(Level.PARTITION, "cloud", BudgetKind.COST_PER_MONTH, 900.0, 1000.0)
    metrics.show(ClusterState(budgets=[view], spent={HB: 12.5, PoolName("old"): 3.0, PoolName("older"): 1.0}))
    labels = {"level": "partition", "holder": "cloud", "kind": "cost_per_month"}
    assert (value(metrics, "budget_used", **labels), value(metrics, "budget_limit", **labels)) == (900, 1000)
    assert value(metrics, "budget_limit", level="site", holder="", kind="nodes") is None
    assert value(metrics, "spent_this_month_usd", pool="hb") == 12.5
    assert value(metrics, "spent_this_month_usd", pool="hc") == 0
    assert value(metrics, "spent_this_month_usd", pool="other") == 4


def test_what_failures_lead_to_is_counted(metrics: Metrics) -> None:
    """Retries, blames, console logs, orphans, boot steps: each call moves its own series."""
    metrics.count_launch("hb")
    metrics.count_launch("hb", attempt=2)
    metrics.count_failure("hb", FULL)
    metrics.count_console()
    metrics.count_orphans(OrphanKind.DISK, found=3, removed=2)
    metrics.observe_boot([("mounts", 4.0), ("dance", 1.0)])
    metrics.show(ClusterState(leftovers={LeftoverKind.INTERFACE: 2}))
    assert (value(metrics, "launches_total", pool="hb"), value(metrics, "retries_total", pool="hb")) == (2, 1)
    assert value(metrics, "blamed_failures_total", pool="hb", blame="capacity") == 1
    assert value(metrics, "blamed_failures_total", pool="hb", blame="image") == 0
    assert value(metrics, "console_logs_total") == 1
    assert value(metrics, "orphans_found_total", kind="disk") == 3
    assert value(metrics, "orphans_removed_total", kind="disk") == 2
    assert value(metrics, "orphans_found_total", kind="vm") == 0
    assert value(metrics, "orphan_resources", kind="interface") == 2
    assert value(metrics, "boot_step_duration_seconds_bucket", step="mounts", le="2.5") == 0
    assert value(metrics, "boot_step_duration_seconds_bucket", step="mounts", le="5.0") == 1
    assert value(metrics, "boot_step_duration_seconds_count", step="other") == 1


def test_the_latest_state_replaces_the_one_before(metrics: Metrics) -> None:
    """A pool that has no node in a state any more shows 0 there, not the old number."""
    metrics.show(ClusterState(nodes={(HB, NodeState.JOINED): 3}))
    metrics.show(ClusterState(nodes={(HB, NodeState.OFF): 3}))
    assert value(metrics, "nodes", pool="hb", state="joined") == 0
    assert value(metrics, "nodes", pool="hb", state="off") == 3


def test_vms_of_a_pool_that_is_configured_no_more_are_still_counted(metrics: Metrics) -> None:
    """They cost money: they show as pool `other`, together, whatever their tags say."""
    metrics.show(ClusterState(vms={(PoolName("old"), VmState.SUCCEEDED): 2, (PoolName(""), VmState.SUCCEEDED): 1}))
    assert value(metrics, "vms", pool="other", state="succeeded") == 3
    assert value(metrics, "vms", pool="old", state="succeeded") is None


def test_each_count_goes_where_it_belongs(metrics: Metrics) -> None:
    """One call of each method moves its own series by the right amount."""
    metrics.count_request(RequestKind.RESUME, 50)
    metrics.count_launch("hb")
    metrics.count_joined("hb")
    metrics.count_release("hb", "suspend")
    metrics.count_failure("hc", FULL)
    metrics.count_azure("delete", "throttled", 0.2)
    metrics.observe_stage("hb", "joined", 75.0)
    assert value(metrics, "requests_total", kind="resume") == 1
    assert value(metrics, "requested_nodes_total", kind="resume") == 50
    assert value(metrics, "launches_total", pool="hb") == 1
    assert value(metrics, "nodes_joined_total", pool="hb") == 1
    assert value(metrics, "nodes_released_total", pool="hb", reason="suspend") == 1
    assert value(metrics, "node_failures_total", pool="hc", reason="capacity") == 1
    assert value(metrics, "node_failures_total", pool="hb", reason="capacity") == 0
    assert value(metrics, "arm_requests_total", call="delete", outcome="throttled") == 1
    assert value(metrics, "arm_request_duration_seconds_sum", call="delete") == pytest.approx(0.2)
    assert value(metrics, "stage_duration_seconds_bucket", pool="hb", stage="joined", le="60.0") == 0
    assert value(metrics, "stage_duration_seconds_bucket", pool="hb", stage="joined", le="90.0") == 1


def test_ticks_and_reloads(metrics: Metrics) -> None:
    """A bad reload leaves the moment of the last good one; a failed tick leaves the moment of the last good tick."""
    metrics.tick_done(0.02, 1000.0)
    metrics.tick_failed()
    metrics.reload_done(True, 900.0)
    metrics.reload_done(False, 1100.0)
    assert value(metrics, "tick_duration_seconds_count") == 1
    assert value(metrics, "tick_last_success_timestamp_seconds") == 1000
    assert value(metrics, "tick_failures_total") == 1
    assert value(metrics, "config_last_reload_successful") == 0
    assert value(metrics, "config_last_reload_success_timestamp_seconds") == 900


def test_a_daemon_that_started_has_read_its_configuration(metrics: Metrics) -> None:
    """Before any reload the configuration counts as taken: the daemon would not run without."""
    assert value(metrics, "config_last_reload_successful") == 1


def test_no_number_of_strange_labels_makes_more_series(metrics: Metrics) -> None:
    """Values outside the closed lists fall into one series `other`: memory and Prometheus stay bounded."""
    metrics.count_release("x0", "y0")
    metrics.count_azure("z0", "w0", 1.0)
    metrics.observe_stage("x0", "v0", 1.0)
    metrics.count_failure("x0", FULL)
    metrics.count_launch("x0", 2)
    metrics.observe_boot([("s0", 1.0)])
    before = series(metrics)
    for n in range(1, 200):
        metrics.count_release(f"x{n}", f"y{n}")
        metrics.count_azure(f"z{n}", f"w{n}", 1.0)
        metrics.observe_stage(f"x{n}", f"v{n}", 1.0)
        metrics.count_failure(f"x{n}", FULL)
        metrics.count_launch(f"x{n}", 2)
        metrics.observe_boot([(f"s{n}", 1.0)])
    assert series(metrics) == before
    assert value(metrics, "nodes_released_total", pool="other", reason="other") == 200


def test_a_new_pool_is_known_after_a_reload(metrics: Metrics) -> None:
    """A pool that a reload brings has its series at 0, and its counts are its own."""
    metrics.set_pools(["hb", "gpu"])
    assert value(metrics, "launches_total", pool="gpu") == 0
    metrics.count_launch("gpu")
    metrics.show(ClusterState())
    assert value(metrics, "launches_total", pool="gpu") == 1
    assert value(metrics, "nodes", pool="gpu", state="off") == 0
    assert value(metrics, "nodes", pool="hc", state="off") is None


def test_no_created_series(metrics: Metrics) -> None:
    """The client's `_created` series, one for each counter, are turned off."""
    assert b"_created" not in generate_latest(metrics.registry)


def test_build_info(metrics: Metrics) -> None:
    """The version that runs is a label of an info series."""
    assert b'slurm_azure_build_info{python="' in generate_latest(metrics.registry)
    assert b'version="1.2.3"} 1.0' in generate_latest(metrics.registry)


def test_counting_from_many_threads_loses_nothing(metrics: Metrics) -> None:
    """Calls to Azure end in the threads of a pool, while others scrape."""

    def work() -> None:
        for _ in range(500):
            metrics.count_azure("create", "ok", 0.1)
            metrics.show(ClusterState(spool_depth=1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    generate_latest(metrics.registry)
    for thread in threads:
        thread.join()
    assert value(metrics, "arm_requests_total", call="create", outcome="ok") == 2000
    assert value(metrics, "arm_request_duration_seconds_count", call="create") == 2000


def test_the_steps_of_a_boot_are_those_that_nodes_take() -> None:
    """A step that cloud-init/join.py gets or renames would otherwise be shown as `other`."""
    text = (Path(__file__).parents[2] / "cloud-init/join.py").read_text()
    steps = re.findall(r'^    \("([a-z ]+)", \w+\),$', text, flags=re.MULTILINE)
    assert [step.replace(" ", "-") for step in steps] == list(BootStep)
