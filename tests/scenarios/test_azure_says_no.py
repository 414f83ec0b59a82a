"""Scenarios in which Azure refuses, throttles or dawdles: another offer, a pause, a reason; never a wait without one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.model import FailureReason
from slurm_azure.slurm.scheduler import Tell
from tests.support.whole_site import SIZE, Site, pool, whole_site

pytestmark = pytest.mark.timeout(120)

CREATE = "VirtualMachines_CreateOrUpdate"
SPARE = "Standard_F4s_v2"
CAPACITY = [
    "SkuNotAvailable",
    "AllocationFailed",
    "ZonalAllocationFailed",
    "OverconstrainedAllocationRequest",
    "OverconstrainedZonalAllocationRequest",
]


@pytest.mark.parametrize("retry_after", [120, 1200])
def test_s06_a_429_in_mid_burst_pauses_that_budget_alone(retry_after: int, tmp_path: Path) -> None:
    """After the one 429 no create is sent until Retry-After is over, while deletes, lists and running jobs go on; it is
    counted."""
    with whole_site(tmp_path, timers={"resume_timeout": 3000.0}, limits={"calls_at_once": 2}) as site:
        first = site.slurm.submit("az-10", seconds=1.0)
        site.run(lambda: first.ended)
        site.faults({"what": {"kind": "throttle", "retry_after": retry_after}, "operation": "creates", "skip": 4, "count": 1})
        jobs = site.slurm.submit_each("az-[1-9]", seconds=1.0)
        site.run(lambda: site.hits()["fault-1"] == 1, 120)
        site.run(lambda: site.launches("az-10")[0].gone_at is not None, retry_after - 20)
        site.run(lambda: all(job.ended for job in jobs), retry_after + 400)
        struck, rest = _after_the_429(site)
        assert min(entry["time"] for entry in rest) >= struck["time"] + retry_after
        assert site.metric("arm_requests_total", call="create", outcome="throttled") >= 1
        assert site.slurm.said(Tell.DOWN) == {}
        site.rest()


def _after_the_429(site: Site) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The create that was throttled, and those that were sent after its answer (some were on their way meanwhile)."""
    creates = site.requests(CREATE)
    struck = next(entry for entry in creates if entry["status"] == 429)
    return struck, [entry for entry in creates if entry["time"] > struck["time"] + 30]


@pytest.mark.parametrize("code", CAPACITY)
def test_s07_no_capacity_means_the_next_offer_at_once(code: str, tmp_path: Path) -> None:
    """The jobs start on the second size long before ResumeTimeout, Slurm hears nothing of it; the first offer cools down, which
    the metrics show, and is not asked for again meanwhile."""
    pools = {"hb": pool("az-[1-6]", sizes=[SIZE, SPARE], zones=["1"])}
    with whole_site(tmp_path, pools) as site:
        site.faults({"name": "full", "what": code, "size": SIZE})
        jobs = site.slurm.submit_each("az-[1-3]")
        assert site.run(lambda: all(job.state == "RUNNING" for job in jobs)) < 150
        assert {launch.offer.size for launch in site.launches() if launch.live} == {SPARE}
        assert site.slurm.told == []
        assert site.metric("offer_cold", size=SIZE) >= 1
        refused = site.hits()["full"]
        later = site.slurm.submit_each("az-[4-6]")
        site.run(lambda: all(job.state == "RUNNING" for job in later))
        assert site.hits()["full"] == refused
        site.rest()


def test_s10_one_vm_that_takes_40_minutes_is_replaced(tmp_path: Path) -> None:
    """The pool's deadline ends it, its job runs on a replacement: later by the deadline, not by 40 minutes."""
    pools = {"hb": pool("az-[1-8]", deadlines={"create": "2m"})}
    with whole_site(tmp_path, pools, timers={"resume_timeout": 1800.0}) as site:
        site.faults({"name": "slow", "what": {"kind": "boot", "never_ready": True}, "node": "az-3", "count": 1})
        job = site.slurm.submit("az-[1-8]")
        assert 120 < site.run(lambda: job.state == "RUNNING", 600) < 300
        assert (job.restarts, site.hits()["slow"]) == (0, 1)
        assert len(site.launches("az-3")) == 2
        site.rest()


@pytest.mark.parametrize("cap", [{"nodes": 2}, {"cores": 2}, {"cost_per_hour": 0.25}])
@pytest.mark.parametrize("whose", ["pool", "partition", "site"])
def test_s22_a_budget_that_is_reached_refuses_and_harms_nobody(cap: dict[str, Any], whose: str, tmp_path: Path) -> None:
    """Of three nodes two run; the third is refused with the limit in its reason, in the first second; running jobs stay, and
    when there is room again it starts."""
    hb = pool("az-[1-3]", price_per_hour=0.1) | ({"budget": cap} if whose == "pool" else {})
    further = {"budget": cap} if whose == "site" else {}
    partition = {"budget": cap} if whose == "partition" else {}
    with whole_site(tmp_path, {"hb": hb}, partition=partition, **further) as site:
        jobs = site.slurm.submit_each("az-[1-3]", seconds=100.0)
        assert site.run(lambda: site.slurm.said(Tell.DOWN), 60) < 30
        ((node, reason),) = site.slurm.said(Tell.DOWN).items()
        assert re.match(rf"slurm-azure: budget: .*{next(iter(cap.values()))}", reason), reason
        others = [job for job in jobs if job.nodes != (node,)]
        site.run(lambda: all(job.state == "RUNNING" for job in others))
        assert site.counts()[CREATE] == 2
        site.run(lambda: all(job.ended for job in jobs), 1200)
        assert [job.restarts for job in others] == [0, 0]
        site.rest()


def test_s23_spot_falls_over_to_on_demand_and_comes_back(tmp_path: Path) -> None:
    """No Spot to be had: the job runs on demand at once; after the cool-down, with Spot back, the next one is Spot again."""
    hb = pool("az-[1-2]", priority="spot", spot={"fallback": "on-demand"})
    limits = {"cool_downs": {"capacity": "5m"}}
    with whole_site(tmp_path, {"hb": hb}, limits=limits) as site:
        site.faults(
            {"name": "no Spot", "what": {"kind": "capacity", "hosts": 0, "priority": "Spot", "answer": "SkuNotAvailable"}}
        )
        job = site.slurm.submit("az-1")
        assert site.run(lambda: job.state == "RUNNING") < 90
        assert [launch.offer.priority.value for launch in site.launches("az-1")] == ["spot", "on-demand"]
        site.faults()
        site.run(lambda: job.ended)
        site.live(330)
        again = site.slurm.submit("az-2")
        site.run(lambda: again.state == "RUNNING")
        assert [launch.offer.priority.value for launch in site.launches("az-2")] == ["spot"]
        site.rest()


@pytest.mark.parametrize(
    ("code", "reason", "remedy"),
    [
        ("SubnetIsFull", FailureReason.NETWORK, "subnet"),
        ("ImageNotFound", FailureReason.IMAGE, "image"),
        ("AuthorizationFailed", FailureReason.PERMISSION, "role"),
        ("LinkedAuthorizationFailed", FailureReason.PERMISSION, "role|subnet"),
        ("RequestDisallowedByPolicy", FailureReason.POLICY, "olicy"),
    ],
)
def test_s36_a_fault_of_the_set_up_closes_the_pool_with_its_remedy(
    code: str, reason: FailureReason, remedy: str, tmp_path: Path
) -> None:
    """Azure is not asked for ever: after the first refusals the pool's nodes are drained with cause and remedy, the metrics
    show it, and once it is mended everything returns by itself and the jobs run."""
    times = {"network": "3m", "image": "3m", "permission": "3m", "policy": "3m", "configuration": "3m"}
    with whole_site(tmp_path, limits={"cool_downs": times}) as site:
        site.faults({"name": "wrong", "what": code, "operation": "creates"})
        jobs = site.slurm.submit_each("az-[1-4]")
        site.run(lambda: len(site.slurm.sinfo_R()) == 10, 120)
        for shown in site.slurm.sinfo_R().values():
            assert re.match(rf"slurm-azure: {reason.value}: (closed until .* UTC: )?.*{code}: ", shown), shown
            assert re.search(rf"\[.*({remedy})", shown), shown
        assert site.metric("node_failures_total", reason=reason.value) >= 1
        asked = site.counts()[CREATE]
        assert asked <= 4
        site.live(100)
        assert site.counts()[CREATE] == asked
        site.faults()
        site.run(lambda: all(job.ended for job in jobs), 1800)
        site.rest()
