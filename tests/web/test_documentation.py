"""docs/metrics.md and the registry list the same metrics."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from slurm_azure.azure.cloud import Call
from slurm_azure.model import Blame, FailureReason, Offer, PoolName, RequestKind, VmState
from slurm_azure.web.gauges import CLOSING, ORPHANS
from slurm_azure.web.metrics import BootStep, Metrics, OrphanKind, Outcome, ReleaseReason, StageName
from slurm_azure.web.state import BudgetKind, BudgetView, ClusterState, Level, NodeState

TEXT = (Path(__file__).parents[2] / "docs/metrics.md").read_text()
ROW = re.compile(r"^\| `(slurm_azure_\w+)` \| (\w+) \| ([\w, ]*?) ?\| (.+) \|$", re.MULTILINE)


def exported() -> dict[str, tuple[str, frozenset[str]]]:
    """Each metric as it is exported: its type and labels."""
    metrics = Metrics("1", ["hb"])
    budget = BudgetView(Level.SITE, "", BudgetKind.NODES, 1, 2)
    metrics.show(ClusterState(budgets=[budget], cold={(PoolName("hb"), Offer("X")): True}))
    found = {}
    for family in metrics.registry.collect():
        labels = frozenset(label for sample in family.samples for label in sample.labels if label != "le")
        found[family.name + ("_total" if family.type == "counter" else "")] = (family.type, labels)
    return {name: what for name, what in found.items() if name.startswith("slurm_azure_")}


def test_every_metric_is_documented_as_it_is() -> None:
    """Names, types and labels of the tables are those of a scrape, none missing and none too many."""
    documented = {
        name: (kind, frozenset(labels.split(", ")) if labels else frozenset()) for name, kind, labels, _ in ROW.findall(TEXT)
    }
    assert documented == exported()


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("slurm_azure_nodes", NodeState),
        ("slurm_azure_vms", VmState),
        ("slurm_azure_requests_total", RequestKind),
        ("slurm_azure_node_failures_total", FailureReason),
        ("slurm_azure_nodes_released_total", ReleaseReason),
        ("slurm_azure_stage_duration_seconds", StageName),
        ("slurm_azure_arm_requests_total", Call),
        ("slurm_azure_arm_requests_total", Outcome),
        ("slurm_azure_blamed_failures_total", Blame),
        ("slurm_azure_pool_closed", CLOSING),
        ("slurm_azure_budget_limit", Level),
        ("slurm_azure_budget_limit", BudgetKind),
        ("slurm_azure_boot_step_duration_seconds", BootStep),
        ("slurm_azure_orphans_found_total", OrphanKind),
        ("slurm_azure_orphan_resources", list(ORPHANS.values())),
    ],
)
def test_every_label_value_is_documented(metric: str, values: Iterable[str]) -> None:
    """The closed lists stand in the row of their metric."""
    row = next(meaning for name, _, _, meaning in ROW.findall(TEXT) if name == metric)
    assert [value for value in values if f"`{value}`" not in row] == []


def test_the_promised_number_of_series() -> None:
    """A pool costs what the page says, so that a site can reckon with it."""

    def series(*pools: str) -> int:
        metrics = Metrics("1", pools)
        metrics.show(ClusterState())
        return sum(len(f.samples) for f in metrics.registry.collect() if f.name.startswith("slurm_azure_"))

    each = series("a", "b") - series("a")
    assert each == pytest.approx(int(re.search(r"some (\d+) for each pool", TEXT)[1]), rel=0.1)  # type: ignore[index]
    rest = series("a") - each
    assert rest == pytest.approx(int(re.search(r"and (\d+) besides", TEXT)[1]), rel=0.1)  # type: ignore[index]
