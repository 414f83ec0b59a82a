"""Scenarios in which something cannot be seen, reached, written or remembered: nothing is concluded from that."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from slurm_azure.slurm.scheduler import Tell
from tests.support.processes import ROOT
from tests.support.whole_site import Site, pool, whole_site

pytestmark = pytest.mark.timeout(120)

CREATE, DELETE, LIST = "VirtualMachines_CreateOrUpdate", "VirtualMachines_Delete", "VirtualMachines_List"


@pytest.mark.parametrize(
    "fault",
    [
        {"what": {"kind": "storm", "statuses": [500, 503]}, "operation": "deletes", "until": 400},
        {"what": {"kind": "failed_delete"}, "count": 6},
        {"what": "ReadOnlyDisabledSubscription", "operation": "deletes", "until": 400},
    ],
    ids=["storm", "failed in the end", "refused"],
)
def test_s14_a_release_that_azure_fails_is_tried_until_it_is_gone(fault: dict[str, object], tmp_path: Path) -> None:
    """Slurm has the node idle~ long ago; the VM is not forgotten, the gauge shows what is overdue, and in the end it is
    gone."""
    with whole_site(tmp_path, limits={"delete_retry": 30.0, "failed_node_hold": 20.0}) as site:
        jobs = site.slurm.submit_each("az-[1-3]", seconds=60.0)
        site.run(lambda: all(job.state == "RUNNING" for job in jobs))
        site.faults({"name": "stuck"} | fault)
        site.run(lambda: site.slurm.over() and site.slurm.asleep())
        site.run(lambda: site.metric("nodes", state="releasing") == 3, 120)
        site.rest(1800)
        assert site.hits()["stuck"] >= 3
        assert site.metric("nodes", state="releasing") == site.metric("orphan_vms") == 0


def test_s15_a_full_spool_is_told_and_slurms_own_state_suffices(tmp_path: Path) -> None:
    """The hook cannot write: it exits 1 with one line; the daemon sees the node powering up and starts it all the same."""
    with whole_site(tmp_path) as site:
        job = site.slurm.submit("az-1")
        site.slurm.hooks_work = False
        site.slurm.step(())
        command = [sys.executable, str(ROOT / "hooks/resume"), "--spool", str(site.folder / "spool"), "az-1"]
        full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # noqa: E731 - as on a disk without room
        ran = subprocess.run(command, env={}, preexec_fn=full, capture_output=True, text=True, check=False)
        assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
        assert "cannot write" in ran.stderr
        assert list((site.folder / "spool").iterdir()) == []
        site.run(lambda: job.state == "RUNNING", 300)
        site.slurm.hooks_work = True
        site.rest()


@pytest.mark.parametrize("jump", [7200.0, -7200.0])
def test_s15_a_clock_that_jumps_harms_no_job(jump: float, tmp_path: Path) -> None:
    """The head node's clock is set two hours ahead or back, in mid-boot: nothing that runs or boots is given up, and what is
    asked for afterwards starts."""
    with whole_site(tmp_path) as site:
        running = site.slurm.submit("az-1", seconds=300.0)
        site.run(lambda: running.state == "RUNNING")
        booting = site.slurm.submit_each("az-[2-4]")
        site.run(lambda: len(site.vms()) == 4)
        site.skew = jump
        later = site.slurm.submit("az-5")
        jobs = [running, *booting, later]
        site.run(lambda: all(job.ended for job in jobs), 900)
        assert [job.restarts for job in jobs] == [0] * 5
        site.rest()


def test_s15_a_reboot_of_the_head_node_loses_nothing(tmp_path: Path) -> None:
    """The daemon dies in mid-burst, requests come in meanwhile, it starts again: every job runs, once."""
    with whole_site(tmp_path) as site:
        first = site.slurm.submit_each("az-[1-4]")
        site.run(lambda: site.counts()[CREATE] >= 1)
        site.kill()
        second = site.slurm.submit_each("az-[5-8]")
        site.live(60)
        site.start()
        site.run(lambda: all(job.ended for job in [*first, *second]))
        assert [job.restarts for job in [*first, *second]] == [0] * 8
        assert Counter(launch.node for launch in site.launches()).most_common(1)[0][1] == 1
        site.rest()


@pytest.mark.parametrize("how", [{"how": "error"}, {"how": "reset"}, {"how": "invalid_client"}], ids=["5xx", "reset", "no"])
def test_s16_no_token_in_mid_burst(how: dict[str, str], tmp_path: Path) -> None:
    """Tokens end and there are no new ones for five minutes: requests wait, the metrics show it, nothing is lost."""
    with whole_site(tmp_path) as site:
        site.faults(
            {"name": "login", "what": {"kind": "login_down"} | how, "until": 300},
            {"name": "expired", "what": "ExpiredAuthenticationToken", "until": 300},
        )
        jobs = site.slurm.submit_each("az-[1-6]")
        site.run(lambda: site.hits()["login"] >= 1, 200)
        site.run(lambda: site.metric("reachable", peer="azure") == 0, 200)
        assert site.slurm.said(Tell.DOWN) == {}
        site.run(lambda: all(job.ended for job in jobs), 1200)
        assert [job.restarts for job in jobs] == [0] * 6
        assert site.metric("reachable", peer="azure") == 1
        site.rest()


@pytest.mark.parametrize("how", ["corrupt", "lost"])
def test_s29_a_journal_that_is_lost_is_rebuilt(how: str, tmp_path: Path) -> None:
    """Set aside with a message if it is there; VMs that run are known again by their tags: no second one, no job lost, and
    what is released is found."""
    with whole_site(tmp_path, timers={"suspend_time": 60.0}) as site:
        long, short = site.slurm.submit("az-[1-2]", seconds=300.0), site.slurm.submit("az-3", seconds=5.0)
        site.run(lambda: long.state == "RUNNING" and short.ended)
        site.kill()
        _spoil(site, how)
        site.start()
        assert bool(list(site.folder.glob("journal.damaged-1"))) == (how == "corrupt")
        later = site.slurm.submit("az-4")
        site.run(lambda: later.ended and long.ended)
        assert (long.restarts, later.restarts) == (0, 0)
        site.strays.clear()  # for a list or two nobody knew them
        site.rest()
        assert site.counts()[CREATE] == 4


def _spoil(site: Site, how: str) -> None:
    for file in site.folder.glob("journal.db*"):
        if how == "lost" or file.name != "journal.db":
            file.unlink()
        else:
            file.write_bytes(b"\xff" * 4096 + file.read_bytes()[4096:])


def test_s31_lists_that_lag_make_neither_duplicates_nor_losses(tmp_path: Path) -> None:
    """For 30 s a list lacks what was created and has what was deleted: one launch a node, none of them lost."""
    with whole_site(tmp_path) as site:
        site.faults({"name": "stale", "what": {"kind": "list_lag", "seconds": 30}})
        jobs = site.slurm.submit_each("az-[1-6]", seconds=60.0)
        site.run(lambda: all(job.ended for job in jobs))
        site.rest()
        assert [job.restarts for job in jobs] == [0] * 6
        assert site.slurm.said(Tell.DOWN) == {}
        assert site.counts()[CREATE] == 6


@pytest.mark.parametrize("kind", ["reset", "lost", "garbage"])
def test_s32_a_create_whose_reply_is_lost_is_recognised(kind: str, tmp_path: Path) -> None:
    """Azure made the VM, the answer did not come: it is ours by name and tag, there is no second one and no error."""
    with whole_site(tmp_path) as site:
        what = {"kind": kind} | ({} if kind == "garbage" else {"when": "after"})
        site.faults({"name": "gone", "what": what, "operation": "creates", "count": 4})
        jobs = site.slurm.submit_each("az-[1-4]")
        site.run(lambda: all(job.ended for job in jobs))
        site.rest()
        assert site.hits()["gone"] == 4
        assert Counter(launch.node for launch in site.launches()) == {f"az-{n}": 1 for n in range(1, 5)}
        assert [job.restarts for job in jobs] == [0] * 4
        assert site.slurm.told == []


@pytest.mark.parametrize("who", ["azure", "slurmctld", "both"])
def test_s35_ten_minutes_without_azure_or_slurm(who: str, tmp_path: Path) -> None:
    """Jobs run, nodes boot, hooks come in: no VM is deleted and no node set down for what cannot be seen; then all of it
    happens."""
    timers = {"resume_timeout": 1800.0, "suspend_time": 1200.0}
    with whole_site(tmp_path, timers=timers) as site:
        running = site.slurm.submit("az-[1-3]", seconds=900.0)
        site.run(lambda: running.state == "RUNNING")
        site.slurm.answers = who == "azure"
        if who != "slurmctld":
            site.faults({"what": {"kind": "reset"}, "operation": ["arm", "login"]})
        waiting = site.slurm.submit_each("az-[4-5]")
        before = site.counts()
        site.live(600)
        made = site.counts() - before
        assert (running.state, made[DELETE], site.slurm.told) == ("RUNNING", 0, [])
        site.slurm.answers = True
        site.faults()
        site.run(lambda: all(job.ended for job in [running, *waiting]), 1200)
        assert [job.restarts for job in [running, *waiting]] == [0, 0, 0]
        site.rest(3000)


def test_s35_nothing_at_all_is_a_whole_answer_only_if_it_is_one(tmp_path: Path) -> None:
    """Lists that break off after a page, or lack VMs, are no reason to give any VM up."""
    with whole_site(tmp_path, {"hb": pool("az-[1-4]")}) as site:
        job = site.slurm.submit("az-[1-4]", seconds=120.0)
        site.run(lambda: job.state == "RUNNING")
        site.faults(
            {"what": {"kind": "garbage", "form": "empty"}, "operation": "lists"},
            {"what": {"kind": "list_incomplete", "how": "missing"}, "node": "az-2", "count": 2},
        )
        site.run(lambda: job.ended)
        assert job.restarts == 0
        site.faults()
        site.rest()
        assert site.slurm.sinfo_R() == {}
