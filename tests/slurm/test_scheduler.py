"""slurm_azure.slurm.scheduler: which jobs hold which nodes, and which wait."""

from __future__ import annotations

import pytest

from slurm_azure.hostlist import expand
from slurm_azure.model import NodeName
from slurm_azure.slurm.scheduler import Job, holding, nodes_of, waiting


def job(id: int, nodes: str, state: str = "RUNNING") -> Job:
    """A job on these nodes."""
    return Job(id, "job", "alice", "cloud", state, nodes)


def names(text: str) -> list[NodeName]:
    """Node names from a hostlist."""
    return [NodeName(name) for name in expand(text)]


def test_nodes_know_the_jobs_that_hold_them() -> None:
    """A node may serve several jobs; one of ours that none holds, and one that is not ours, are missing."""
    found = holding([job(1, "n[1-2],prem[1-9]"), job(2, "n2"), job(3, "", "PENDING")], names("n[1-3]"))
    assert found == {"n1": (1,), "n2": (1, 2)}


def test_one_job_on_ten_thousand_nodes_and_as_many_jobs_on_one() -> None:
    """Each node of a large job gets its number, and a shared node each of its jobs', in their order."""
    ids = range(2, 10_002)
    found = holding([job(1, "n[1-10000]"), *(job(id, "n1") for id in ids)], names("n[1-10000]"))
    assert len(found) == 10_000
    assert found[NodeName("n1")] == (1, *ids)
    assert found[NodeName("n10000")] == (1,)


@pytest.mark.parametrize("nodes", ["", "n[1-", "n[2-1]"])
def test_a_node_list_that_is_none_holds_nothing(nodes: str) -> None:
    """What squeue shows for one job never spoils what is known of the others."""
    assert nodes_of(job(1, nodes)) == []
    assert holding([job(1, nodes), job(2, "n1")], names("n1")) == {"n1": (2,)}


def test_a_requeued_job_waits_although_it_is_completing() -> None:
    """COMPLETING without the node it lost, PENDING only when its other nodes have tidied up: it is not gone meanwhile."""
    assert waiting([job(1, "n1", "COMPLETING"), job(2, "", "PENDING"), job(3, "n2"), job(4, "n3", "CONFIGURING")]) == {1, 2}
