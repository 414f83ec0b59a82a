"""`slurm-azure status`, as a person and as a script call it."""

from __future__ import annotations

import json
import time

import pytest

from slurm_azure.intake import accept
from slurm_azure.journal import Journal, TakenRequest
from slurm_azure.model import Breaker, CoolDown, Failure, FailureReason, Pause, RequestId, RequestKind
from slurm_azure.web.metrics import Metrics
from slurm_azure.web.server import MetricsServer
from tests.support.configs import a_document
from tests.support.nodes import POOL, a_launch, a_wish
from tests.support.sites import Site


def with_history(site: Site) -> None:
    """One node joined, two being created, one failed ten minutes ago, two asked for."""
    now = time.time()
    began = {"sent_at": now - 59, "accepted_at": now - 58, "price": 3.6}
    quota = Failure(FailureReason.QUOTA, "family HBv3: 120 of 120 cores used")
    failed = {"release_reason": "failed", "released_at": now - 600, "gone_at": now - 599, "failure": quota}
    site.journal(
        launches=[
            a_launch("az-1", "l1", planned_at=now - 60, running_at=now - 50, joined_at=now - 40, **began),
            a_launch("az-2", "l2", planned_at=now - 60, **began),
            a_launch("az-3", "l3", planned_at=now - 61, **began),
            a_launch("az-4", "l4", planned_at=now - 610, sent_at=now - 605, **failed),
        ],
        requests=[
            (
                TakenRequest(RequestId("r9"), RequestKind.RESUME, "az-[7-8]", now - 5, now - 4, (41,)),
                [a_wish(RequestKind.RESUME, f"az-{n}", now - 5, 41, request="r9") for n in (7, 8)],
            )
        ],
    )


def test_for_people(site: Site) -> None:
    """Pools, what is pending, what moves and what failed, each with its words; hostlists folded; Slurm in one line."""
    with_history(site)
    ran = site.run("status")
    assert (ran.code, ran.err) == (0, "")
    assert "cluster test, " in ran.out
    assert "daemon: not asked (metrics.listen is off)" in ran.out
    slurm = next(line for line in ran.out.splitlines() if line.startswith("Slurm: "))
    assert "scontrol: No such file or directory" in slurm
    lines = [line.split() for line in ran.out.splitlines()]
    states = ["OFF", "PLANNED", "CREATING", "RUNNING", "JOINED", "RELEASING", "KEPT", "FAILED"]
    assert ["POOL", "NODES", *states, "VMS", "USD/H", "USD/MONTH"] in lines
    assert ["hb", "50", "47", "0", "2", "0", "1", "0", "0", "0", "3", "10.80"] in [line[:-1] for line in lines]
    assert ["resume", "2", "az-[7-8]"] in [line[:3] for line in lines]
    assert any(line[:4] == ["hb", "creating", "2", "az-[2-3]"] for line in lines)
    assert "family HBv3: 120 of 120 cores used" in ran.out


def test_for_scripts(site: Site) -> None:
    """--json has a version, sorted keys, UTC moments and the same facts."""
    with_history(site)
    ran = site.run("status", "--json")
    document = json.loads(ran.out)
    assert ran.out == json.dumps(document, indent=2, sort_keys=True) + "\n"
    assert (document["version"], document["cluster"], document["at"][-6:]) == (1, "test", "+00:00")
    (pool,) = document["pools"]
    assert (pool["nodes"], pool["vms"], pool["cost_usd_per_hour"]) == (50, 3, 10.8)
    assert pool["states"]["creating"] == 2
    assert pool["slurm"] is None
    assert document["slurm"]["answers"] is False
    assert document["daemon"]["answers"] is None
    assert document["pending"][0]["nodes"] == "az-[7-8]"
    assert document["pending"][0]["jobs"] == [41]
    assert document["moving"][0]["nodes"] == "az-[2-3]"
    assert document["failures"][0]["reason"] == "quota"
    assert document["failures"][0]["count"] == 1
    assert [document[key] for key in ("pauses", "closed", "cool_downs", "breakers", "budgets")] == [[], [], [], [], []]
    assert document["spent_usd"]["hb"] == pytest.approx(3 * 58 * 3.6 / 3600, abs=0.02)


def test_what_stands_in_the_way(site: Site) -> None:
    """Pause, closed pool, cool-down, breaker and budget: all there, with reasons, for people and for scripts."""
    now = time.time()
    pools = a_document()["pools"]
    pools["hb"] |= {"budget": {"nodes": 4}}
    site.configure(pools=pools)
    with_history(site)
    journal = Journal.open(site.state / "journal.db")
    with journal.writing():
        journal.save_pause(Pause(POOL, now - 60, now + 3600, "ann", "network work"))
        journal.save_pause(Pause(None, now - 60, now - 1, "ann", "over already"))
        journal.save_cool_downs([CoolDown("size Standard_F2s_v2/spot", FailureReason.QUOTA, "120 used", now, now + 7200, 2)])
        journal.save_cool_downs([CoolDown("site", FailureReason.PERMISSION, "long over", now - 99, now - 9)])
        journal.save_breakers([Breaker(POOL, 5, "az-4: mounts: no answer", now - 60, now + 7200, 1)])
    journal.close()
    out = site.run("status").out
    assert "network work" in out
    assert "over already" not in out
    assert any(line.split()[:2] == ["hb", "paused"] for line in out.splitlines())
    assert any(line.split()[1:5] == ["Standard_F2s_v2/spot", "quota", "2", "2h00m"] for line in out.splitlines())
    assert "long over" not in out
    assert any(line.split()[:5] == ["hb", "5", "open", "in", "2h00m"] for line in out.splitlines())
    assert any(line.split() == ["pool", "hb", "nodes", "3", "4", "75%"] for line in out.splitlines())
    document = json.loads(site.run("status", "--json").out)
    assert [(one["pool"], one["by"], one["reason"]) for one in document["pauses"]] == [("hb", "ann", "network work")]
    (closed,) = document["closed"]
    assert (closed["pool"], closed["reason"], closed["blame"]) == ("hb", "paused", "site")
    assert closed["until"] == document["pauses"][0]["until"]
    assert [(one["key"], one["strikes"]) for one in document["cool_downs"]] == [("size Standard_F2s_v2/spot", 2)]
    assert [(one["pool"], one["open"], one["failures"]) for one in document["breakers"]] == [("hb", True, 5)]
    assert document["budgets"] == [{"kind": "nodes", "level": "pool", "limit": 4.0, "name": "hb", "used": 3.0}]


def test_with_slurm(site: Site) -> None:
    """Where Slurm answers, its view stands beside ours, and nodes held down count as failed."""
    with_history(site)
    site.slurm(az_1="IDLE+CLOUD", az_4="DOWN+CLOUD+POWERED_DOWN Reason=slurm-azure: quota: x [slurm@2026-11-21T05:00:00]")
    document = json.loads(site.run("status", "--json").out)
    assert document["slurm"] == {"answers": True, "says": "answers"}
    assert document["pools"][0]["states"]["failed"] == 1
    assert document["pools"][0]["slurm"]["up"] == 1
    assert document["pools"][0]["slurm"]["unknown"] == 48
    assert "As Slurm sees them:" in site.run("status").out


def test_the_daemons_own_word(site: Site) -> None:
    """What /healthz says is shown, well or not; a daemon that is not there is said to be so."""
    site.journal()
    server = MetricsServer("127.0.0.1:0", Metrics("1", []), lambda: (False, "no round for 200 s"))
    listen = "{}:{}".format(*server.address)
    try:
        site.configure(metrics={"listen": listen})
        assert "daemon: no round for 200 s\n" in site.run("status").out
    finally:
        server.close()
    ran = site.run("status")
    assert f"daemon: does not answer at {listen}: Connection refused" in ran.out
    assert ran.code == 0


def test_requests_that_wait_in_the_spool(site: Site) -> None:
    """With the daemon down, accepted requests are not out of sight."""
    site.journal()
    (site.state / "spool").mkdir()
    accept(str(site.state / "spool"), "resume", b"az-1", b"", 1)
    assert "spool: 1 requests that the daemon has not taken in" in site.run("status").out
    assert json.loads(site.run("status", "--json").out)["spool"] == 1


def test_no_journal(site: Site) -> None:
    """Before the daemon ever ran: one line with the remedy, exit 74."""
    ran = site.run("status")
    assert ran.code == 74
    assert "not there; has slurm-azured run on this machine (--state names another folder)?" in ran.err
    assert ran.err.count("\n") == 1


def test_a_damaged_journal(site: Site) -> None:
    """A file that is no journal is one line, exit 74."""
    site.state.mkdir()
    (site.state / "journal.db").write_bytes(b"not a database" * 100)
    ran = site.run("status")
    assert (ran.code, ran.err.count("\n")) == (74, 1)
    assert "file is not a database" in ran.err


def test_a_mistaken_configuration(site: Site) -> None:
    """All mistakes, one a line, exit 78."""
    site.config.write_text("cluster: x\nclutser: y\n")
    ran = site.run("status")
    assert ran.code == 78
    assert all(line.startswith(f"slurm-azure: {site.config}: ") for line in ran.err.splitlines())
    assert "did you mean 'cluster'?" in ran.err


def test_ten_thousand_nodes_take_little_time(site: Site) -> None:
    """5,000 launches under way of 10,000 nodes: under 2 s of a core, in a few lines."""
    site.configure(nodes="az-[1-10000]")
    now = time.time()
    site.journal([a_launch(f"az-{n}", f"l{n}", planned_at=now, accepted_at=now) for n in range(1, 5001)])
    began = time.process_time()
    ran = site.run("status")
    assert time.process_time() - began < 2
    assert "az-[1-5000]" in ran.out
    assert len(ran.out.splitlines()) < 12
