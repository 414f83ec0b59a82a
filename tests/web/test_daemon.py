"""What the real daemon makes of its metrics: every label it uses is on its closed list, and the numbers are true."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import generate_latest

from slurm_azure.azure.cloud import VmOrder
from slurm_azure.errors import CreateRefused
from slurm_azure.model import Power
from tests.support.daemons import Daemon, a_daemon


def scrape(daemon: Daemon) -> dict[str, float]:
    """Each series of a scrape, `name{labels}`, and its value."""
    lines = generate_latest(daemon.parts.metrics.registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def no_room_for_az_2(order: VmOrder) -> None:
    """Azure's answer when the quota is used up."""
    if order.node == "az-2":
        raise CreateRefused("OperationNotAllowed", "exceeding approved Cores quota", 409)


def test_a_life_and_a_refusal_are_counted_where_they_belong(tmp_path: Path) -> None:
    """One node lives and is suspended, one is refused: the series say just that, and nothing is `other`."""
    with a_daemon(tmp_path) as daemon:
        daemon.settle()
        daemon.power(Power.WAKING, "az-1", "az-2")
        daemon.cloud.on_create = no_room_for_az_2
        daemon.hook("resume", "az-[1-2]")
        daemon.settle(20)
        daemon.power(Power.UP, "az-1")
        daemon.settle(10)
        seen = scrape(daemon)
        assert seen['slurm_azure_nodes{pool="hb",state="joined"}'] == 1
        assert seen['slurm_azure_vms{pool="hb",state="succeeded"}'] == 1
        assert sum(value for key, value in seen.items() if key.startswith("slurm_azure_nodes{")) == 50
        daemon.power(Power.STOPPING, "az-1")
        daemon.hook("suspend", "az-1")
        daemon.settle(30)
        seen = scrape(daemon)
    assert seen['slurm_azure_requests_total{kind="resume"}'] == 1
    assert seen['slurm_azure_requested_nodes_total{kind="resume"}'] == 2
    assert seen['slurm_azure_nodes_joined_total{pool="hb"}'] == 1
    assert seen['slurm_azure_node_failures_total{pool="hb",reason="quota"}'] >= 1
    assert seen['slurm_azure_nodes_released_total{pool="hb",reason="suspend"}'] == 1
    assert seen['slurm_azure_stage_duration_seconds_count{pool="hb",stage="total"}'] == 1
    assert seen['slurm_azure_stage_duration_seconds_count{pool="hb",stage="gone"}'] >= 1
    assert seen['slurm_azure_arm_requests_total{call="create",outcome="ok"}'] == 1
    assert seen['slurm_azure_arm_requests_total{call="create",outcome="refused"}'] >= 1
    assert seen["slurm_azure_spool_depth"] == 0
    assert seen['slurm_azure_reachable{peer="slurm"}'] == seen['slurm_azure_reachable{peer="azure"}'] == 1
    assert [key for key in seen if '"other"' in key and "state=" not in key] == []
