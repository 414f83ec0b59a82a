"""Scenarios of what is configured: pools that change while VMs run, clusters that share a resource group."""

from __future__ import annotations

from pathlib import Path

import pytest

from slurm_azure.slurm.scheduler import Tell
from tests.support.sites import Site as HeadNode
from tests.support.whole_site import pool, whole_site

pytestmark = pytest.mark.timeout(120)


def test_s20_a_pool_that_grows_is_renamed_and_removed_while_vms_run(tmp_path: Path) -> None:
    """Grown: new nodes start. Renamed: its VMs run on. Removed: VMs of its nodes are deleted once they do nothing, and nothing
    else is touched."""
    pools = {"hb": pool("az-[1-2]"), "old": pool("old-[1-2]")}
    with whole_site(tmp_path, pools, timers={"suspend_time": 60.0}) as site:
        kept, dropped = site.slurm.submit("az-[1-2]", seconds=300.0), site.slurm.submit("old-[1-2]", seconds=5.0)
        site.run(lambda: kept.state == "RUNNING" and dropped.ended)
        for name in ("az-3", "az-4"):
            site.slurm.add_node(name)
        for name in ("old-1", "old-2"):
            site.slurm.known.pop(name)  # type: ignore[call-overload]
        site.reload(pools={"hbv2": pool("az-[1-4]")}, partitions={"cloud": {"pools": ["hbv2"], "resume_timeout": 600.0}})
        grown = site.slurm.submit("az-[3-4]")
        site.run(lambda: not [name for name in site.vms() if name.startswith("old-")], 600)
        site.run(lambda: grown.ended and kept.ended)
        assert (kept.restarts, grown.restarts) == (0, 0)
        site.rest()


def test_s20_only_our_file_is_written_and_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`generate --write` replaces its own include file by renaming; slurm.conf and the lines of a site's own stay as they
    were."""
    head = HeadNode(tmp_path, capsys)
    head.slurm(az_1="IDLE+CLOUD")
    own = "NodeName=onprem-[1-8] CPUs=64\nPartitionName=local Nodes=onprem-[1-8]\ninclude slurm-azure.conf\n"
    (tmp_path / "slurm.conf").write_text(own)
    assert head.run("generate", "--write", str(tmp_path)).code == 0
    written = {file.name for file in tmp_path.glob("*.conf")} - {"slurm.conf"}
    before = {name: (tmp_path / name).stat().st_ino for name in written}
    head.configure("az-[1-80]")
    assert head.run("generate", "--write", str(tmp_path)).code == 0
    assert (tmp_path / "slurm.conf").read_text() == own
    changed = {name for name in written if (tmp_path / name).stat().st_ino != before[name]}
    assert changed, "a new file under the old name, never an old one half written"
    assert any("az-[1-80]" in (tmp_path / name).read_text() for name in changed)
    assert not [file for file in tmp_path.iterdir() if file.name.endswith((".tmp", "~"))]


def test_s21_two_clusters_in_one_resource_group(tmp_path: Path) -> None:
    """VMs, interfaces and disks of another cluster, even under our nodes' names, and of nobody: never touched, never
    counted."""
    with whole_site(tmp_path) as site:
        other = {
            "slurm-azure-cluster": "other",
            "slurm-azure-node": "az-1",
            "slurm-azure-launch": "x",
            "slurm-azure-pool": "hb",
        }
        strangers = {"az-1-0001": other, "az-2-ffff": {}, "theirs": other, "web": {"owner": "somebody"}}
        plan = [
            {"name": name, "what": {"kind": "stranger", "name": name, "tags": tags, "resource_group": "slurm-burst"}}
            for name, tags in strangers.items()
        ]
        site.foreign = set(strangers)
        site.faults(*plan)
        site.run(lambda: len(site.azure.vms()) == 4)
        jobs = site.slurm.submit_each("az-[1-4]")
        site.run(lambda: all(job.ended for job in jobs))
        site.run(site.at_rest)
        site.live(400)
        assert {vm["name"] for vm in site.azure.vms()} == set(strangers)
        assert site.left() == {"vms": 4, "interfaces": 4, "disks": 4}
        for name in strangers:
            assert [entry["method"] for entry in site.requests(vm=name) if entry["method"] not in ("PUT", "GET")] == []
        assert site.metric("orphan_vms") == 0
        assert site.slurm.said(Tell.DOWN) == {} or all(job.restarts <= 1 for job in jobs)
