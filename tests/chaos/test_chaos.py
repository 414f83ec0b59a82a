"""The chaos run, short: real slurmctld, daemon and hooks, killed with -9 while all goes wrong in Azure; then all is well."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.chaos.plan import FAULTS, Kill, Trouble, actions, kind_of
from tests.chaos.report import Report
from tests.chaos.run import run_chaos
from tests.chaos.witness import at_work_twice, unknown

SEED = int(os.environ.get("SLURM_AZURE_CHAOS", "4"))


@pytest.mark.endtoend
@pytest.mark.timeout(900)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a site is made of namespaces")
def test_nothing_is_lost_nothing_leaks_nothing_is_stuck(tmp_path: Path) -> None:
    """75 s of kills and faults of every kind on 90 nodes, then rest: lost = 0, leaked = 0, stuck = 0, doubles = 0."""
    report = run_chaos(SEED, 75, 90, tmp_path, 420)
    print(report.text())
    assert report.good, report.text()
    assert {"daemon", "slurmctld", "simulator"} <= report.kills.keys()
    assert report.jobs["completed"] > 0


def test_the_same_seed_gives_the_same_plan() -> None:
    """Kills, faults and jobs follow from the seed, and another seed gives others."""
    assert actions(7, 600, 600) == actions(7, 600, 600)
    assert actions(7, 600, 600) != actions(8, 600, 600)


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_of_fault_and_of_kill_is_in_a_plan(seed: int) -> None:
    """A short plan has all kinds of faults the simulator knows, and kills everybody."""
    from slurm_azure.simulator.faults.kinds import KINDS

    plan = actions(seed, 75, 90)
    assert {kind_of(action.fault) for action in plan if isinstance(action, Trouble)} == set(KINDS)
    assert {action.who for action in plan if isinstance(action, Kill)} == {"daemon", "slurmctld", "simulator", "hook"}
    assert all(0 <= action.at < 75 for action in plan)
    assert len({str(action.fault) for action in plan if isinstance(action, Trouble)}) == len(FAULTS)


def vm(
    name: str, launch: str, power: str = "running", state: str = "Succeeded", cluster: str = "miniature"
) -> dict[str, object]:
    """A VM as the control endpoint shows it."""
    tags = {"slurm-azure-cluster": cluster, "slurm-azure-node": "n1", "slurm-azure-launch": launch}
    return {"name": name, "powerState": power, "provisioningState": state, "tags": tags}


def test_two_vms_of_a_node_are_a_double_only_if_both_are_wanted() -> None:
    """One that was released, is being deleted, has no power or is another cluster's does not count."""
    live = {"a": True, "b": True, "c": False}
    assert at_work_twice([vm("va", "a"), vm("vb", "b")], live) == {"n1": ["va", "vb"]}
    for other in (vm("vc", "c"), vm("vb", "b", state="Deleting"), vm("vb", "b", power="stopped"), vm("vb", "b", cluster="o")):
        assert at_work_twice([vm("va", "a"), other], live) == {}


def test_a_vm_without_a_launch_is_unknown() -> None:
    """All VMs with our tag have to be in the journal, but for orphans that the run itself has planted."""
    vms = [vm("va", "a"), vm("vx", "x"), vm("vo", "lorphan12"), vm("vy", "y", cluster="o")]
    assert unknown(vms, {"a": False}) == ["vx"]


@pytest.mark.parametrize("name", ["lost", "leaked", "stuck", "doubles", "touched"])
def test_a_report_with_anything_wrong_is_not_good(name: str) -> None:
    """Nor is one that never came to rest."""
    report = Report(1, 2, 3, rest=4.0)
    getattr(report, name).append("this")
    assert f"{name} = 1: this" in report.text()
    assert [report.good, Report(1, 2, 3).good] == [False, False]
