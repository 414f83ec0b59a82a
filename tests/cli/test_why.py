"""`slurm-azure why NODE`, and the timeline it is made of."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from slurm_azure.cli.evidence import AFFAIR_OF
from slurm_azure.cli.timeline import What, cost, timeline
from slurm_azure.journal import Event, Journal, TakenRequest
from slurm_azure.model import (
    REPLACED,
    Blame,
    Failure,
    FailureReason,
    JobTrouble,
    LaunchId,
    NodeName,
    RequestId,
    RequestKind,
    Scope,
)
from tests.support.nodes import NOW, a_launch
from tests.support.sites import Site

WHOLE: dict[str, Any] = {
    "request": RequestId("r1"), "jobs": (41,), "price": 3.6, "sent_at": NOW + 1, "accepted_at": NOW + 2, "running_at": NOW + 40,
    "joined_at": NOW + 75, "released_at": NOW + 1000, "release_reason": "suspend", "delete_sent_at": NOW + 1001,
    "gone_at": NOW + 1002,
}  # fmt: skip


def taken(kind: RequestKind, nodes: str, at: float, id: str = "r1", jobs: tuple[int, ...] = ()) -> TakenRequest:
    """A request, taken in 0.2 s after its hook ran."""
    return TakenRequest(RequestId(id), kind, nodes, at, at + 0.2, jobs)


def test_a_whole_life() -> None:
    """Every stage once, in order, with the seconds between; the cost at the end."""
    entries = timeline([a_launch(**WHOLE)], [taken(RequestKind.RESUME, "az-1", NOW - 1, jobs=(41,))], [], NOW + 2000)
    assert [entry.what for entry in entries] == [
        What.REQUESTED,
        What.PLANNED,
        What.SENT,
        What.ACCEPTED,
        What.RUNNING,
        What.JOINED,
        What.RELEASED,
        What.DELETE_SENT,
        What.GONE,
    ]
    assert [entry.after for entry in entries] == [None, 1, 1, 1, 38, 35, 925, 1, 1]
    assert entries[0].text == "slurmctld asked for resume for job 41"
    assert entries[-1].text == "Azure says the VM is not there; it cost about 1.00 USD"


def test_a_failure_has_its_reason() -> None:
    """A launch that failed says why, in Azure's words, and when Slurm knew."""
    launch = a_launch(
        sent_at=NOW + 1,
        failure=Failure(FailureReason.CAPACITY, "ZonalAllocationFailed: no room"),
        released_at=NOW + 2,
        told_at=NOW + 3,
        gone_at=NOW + 4,
        release_reason="failed",
    )
    entries = timeline([launch], [], [], NOW + 10)
    assert [(entry.what, entry.text) for entry in entries[2:]] == [
        (What.FAILED, "capacity: ZonalAllocationFailed: no room"),
        (What.TOLD, "Slurm knows of the failure"),
        (What.GONE, "there is no VM"),
    ]


def test_the_same_moment_keeps_its_order() -> None:
    """A node seen accepted, running and joined in one look is told in that order."""
    entries = timeline([a_launch(sent_at=NOW, accepted_at=NOW, running_at=NOW, joined_at=NOW)], [], [], NOW)
    assert [entry.what for entry in entries] == [What.PLANNED, What.SENT, What.ACCEPTED, What.RUNNING, What.JOINED]


def test_a_request_that_waited_says_so() -> None:
    """A request made while the daemon was down shows how late it was taken in."""
    (entry,) = timeline([], [TakenRequest(RequestId("r"), RequestKind.SUSPEND, "az-1", NOW, NOW + 90, ())], [], NOW)
    assert entry.text == "slurmctld asked for suspend; taken in 90 s later"


@pytest.mark.parametrize(
    ("changes", "spent"),
    [
        ({}, 0.0),
        ({"accepted_at": NOW, "price": 2.0}, 2.0),
        ({"accepted_at": NOW, "price": 2.0, "gone_at": NOW + 1800}, 1.0),
        ({"accepted_at": NOW, "price": None}, None),
        ({"accepted_at": NOW + 7200, "price": 2.0}, 0.0),
    ],
)
def test_cost(changes: dict[str, Any], spent: float | None) -> None:
    """From Azure's yes to its end, or an hour later to now; nothing before, nothing known without a price, never below 0."""
    assert cost(a_launch(**changes), NOW + 3600) == (spent if spent is None else pytest.approx(spent))


def with_history(site: Site) -> None:
    """Node az-1: four launches; request r1 named it and others, r2 did not name it."""
    over = [a_launch("az-1", f"l{n}", planned_at=NOW + n * 10_000, gone_at=NOW + n * 10_000 + 5) for n in range(3)]
    alive = {**WHOLE, "planned_at": NOW + 90_000, "gone_at": None, "released_at": None, "delete_sent_at": None}
    site.journal(
        [*over, a_launch("az-1", "l3", **alive)],
        [
            (taken(RequestKind.RESUME, "az-[1-3]", NOW + 89_999, jobs=(41, 42)), []),
            (taken(RequestKind.SUSPEND, "az-[2-3]", NOW + 90_001, "r2"), []),
            (taken(RequestKind.SUSPEND, "az-[1-2]", NOW + 95_000, "r3"), []),
        ],
        [
            Event(NOW + 96_000, NodeName("az-1"), None, "az-1-l3 is still there: deleting it again"),
            Event(NOW + 96_000, NodeName("az-2"), None, "of another node"),
        ],
    )


def test_for_people(site: Site) -> None:
    """The last launches with what led to them; requests and events of other nodes, and jobs of others, stay out."""
    with_history(site)
    ran = site.run("why", "az-1")
    assert ran.code == 0
    assert "az-1, pool hb, " in ran.out
    assert "1 earlier launches are not shown (--last 0 shows all)" in ran.out
    assert "slurmctld asked for resume for job 41" in ran.out
    assert ran.out.count("slurmctld asked for") == 2
    assert "deleting it again" in ran.out
    assert "of another node" not in ran.out
    assert ran.out.count("there is no VM") == 2


def test_all_launches(site: Site) -> None:
    """--last 0 shows the whole history."""
    with_history(site)
    ran = site.run("why", "az-1", "--last", "0")
    assert "earlier" not in ran.out
    assert ran.out.count("there is no VM") == 3


def test_for_scripts(site: Site) -> None:
    """--json: version 1, the launches and the timeline in order, moments in UTC, spans in seconds."""
    with_history(site)
    site.slurm(az_1="MIXED+CLOUD Reason=disk [root@2026-11-21T05:00:00]")
    document = json.loads(site.run("why", "az-1", "--json").out)
    assert (document["version"], document["node"], document["pool"]) == (1, "az-1", "hb")
    assert document["slurm"] == {"state": "MIXED+CLOUD", "flags": ["CLOUD", "MIXED"], "reason": "disk"}
    assert document["earlier_launches"] == 1
    assert [launch["id"] for launch in document["launches"]] == ["l1", "l2", "l3"]
    assert document["launches"][-1]["jobs"] == [41]
    moments = [entry["at"] for entry in document["timeline"]]
    assert moments == sorted(moments)
    assert document["timeline"][0]["after_seconds"] is None
    assert {entry["what"] for entry in document["timeline"]} <= {what.value for what in What}


def test_a_node_that_never_ran(site: Site) -> None:
    """A node of a pool without history is off, which is no error."""
    site.journal()
    ran = site.run("why", "az-9")
    assert ran.code == 0
    assert "now: off; the journal has no launch of it" in ran.out


def test_an_unknown_node(site: Site) -> None:
    """A typing error is told with what was probably meant, exit 2."""
    site.journal()
    ran = site.run("why", "az-99")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("slurm-azure: 'az-99' is in no pool, and the journal does not know it; did you mean az-9")


def test_a_node_of_a_pool_that_is_gone(site: Site) -> None:
    """The journal remembers nodes that the configuration has no more."""
    site.journal([a_launch("old-1", planned_at=time.time())])
    ran = site.run("why", "old-1")
    assert (ran.code, "old-1, pool hb" in ran.out) == (0, True)


def test_with_a_mistake_in_the_configuration(site: Site) -> None:
    """The history can be read all the same; a remark says what is missing."""
    with_history(site)
    site.config.write_text("cluster: [\n")
    ran = site.run("why", "az-1")
    assert ran.code == 0
    assert "going on without the configuration" in ran.err
    assert "now: joined for " in ran.out
    assert site.run("-q", "why", "az-1").err == ""


BOOT = (
    "slurm-azure boot=failed launch=l1 seconds=12.3 stages=host-name:0.01,mounts:9.10 memory=7900 cpus=2 step=mounts "
    "cause=filer: no answer"
)


def with_a_retry(site: Site) -> None:
    """A wake-up of two attempts: the first does not mount, the second joins; its job has lost nodes before."""
    begin = time.time() - 900
    failure = Failure(FailureReason.BOOT, "mounts: filer: no answer", Scope.LAUNCH, Blame.IMAGE)
    first = a_launch(
        "az-1", "l1", planned_at=begin, asked_at=begin, jobs=(41,), accepted_at=begin + 1, failure=failure, boot=BOOT,
        released_at=begin + 60, release_reason=REPLACED, told_at=begin + 60, console_at=begin + 62, gone_at=begin + 90,
    )  # fmt: skip
    moments = {"planned_at": begin + 61, "accepted_at": begin + 62, "running_at": begin + 80, "joined_at": begin + 100}
    site.journal([first, a_launch("az-1", "l2", asked_at=begin, attempt=2, jobs=(41,), **moments)])
    journal = Journal.open(site.state / "journal.db")
    with journal.writing():
        lines = [f"line {n}" for n in range(1, 101)] + ["\x1b[1;31mmount.nfs4:\x1b[0m timed out\x07"]
        journal.keep_console(LaunchId("l1"), begin + 62, "\r\n".join(lines))
        journal.save_troubles([JobTrouble(41, 2, begin), JobTrouble(7, 1, begin)])
    journal.close()


def test_attempts_of_one_wake_up_stand_together(site: Site) -> None:
    """The first one's failure is told as followed by another, Slurm's being told is not claimed, and both are one block."""
    with_a_retry(site)
    out = site.run("why", "az-1").out
    rows = [line.split() for line in out.splitlines()]
    first, second = (row for row in rows if len(row) > 4 and row[2] in "12" and row[3] in ("l1", "l2"))
    assert first[:2] == second[:2]
    assert (first[-2:], second[-3:]) == (["failed:", "boot"], ["joined", "after", "1m40s"])
    assert "filer: no answer; another attempt follows" in out
    assert "Slurm knows of the failure" not in out
    assert "attempt 2: VM az-1-l2" in out


def test_a_wake_up_is_not_torn_apart(site: Site) -> None:
    """--last 1 shows the last launch with the attempts before it."""
    with_a_retry(site)
    assert [one["id"] for one in json.loads(site.run("why", "az-1", "--last", "1", "--json").out)["launches"]] == ["l1", "l2"]


def test_a_boot_that_failed_is_told_by_its_node(site: Site) -> None:
    """Step, cause and seconds of the boot report; whose affair it is; jobs that lost nodes, of this node alone."""
    with_a_retry(site)
    out = site.run("why", "az-1").out
    assert "the node told: boot failed at mounts after 12s\n" in out
    assert out.count("filer: no answer") == 1
    assert "steps: host-name 0.0s, mounts 9.1s" in out
    assert "failed: boot, an affair of whoever makes the image" in out
    assert [line.split()[:2] for line in out.splitlines()[-1:]] == [["41", "2"]]


def test_the_end_of_the_console(site: Site) -> None:
    """The last 30 lines, all with --console; nothing in it commands the reader's terminal."""
    with_a_retry(site)
    out = site.run("why", "az-1").out
    assert "the last 30 of 101 lines (--console shows all)" in out
    assert "  line 72\n" in out
    assert "  line 71\n" not in out
    assert "  mount.nfs4: timed out\n" in out
    assert "\x1b" not in out
    whole = site.run("why", "az-1", "--console").out
    assert "  line 1\n" in whole
    assert "lines (--console" not in whole


def test_evidence_for_scripts(site: Site) -> None:
    """The same in JSON, beside the fields that were there before."""
    with_a_retry(site)
    document = json.loads(site.run("why", "az-1", "--json").out)
    first, second = document["launches"]
    assert first["failure"] == {
        "reason": "boot", "detail": "mounts: filer: no answer", "blame": "image", "scope": "launch",
    }  # fmt: skip
    assert first["boot"]["stages"] == {"host-name": 0.01, "mounts": 9.1}
    assert (first["boot"]["ok"], first["boot"]["step"], first["boot"]["memory_mib"]) == (False, "mounts", 7900)
    assert (first["console"]["all_lines"], len(first["console"]["lines"])) == (101, 30)
    assert (second["attempt"], second["boot"], second["console"], second["failure"]) == (2, None, None, None)
    assert second["asked_at"] == first["asked_at"] == first["planned_at"]
    assert [one["job"] for one in document["jobs_in_trouble"]] == [41]


def test_every_blame_is_somebodys_affair() -> None:
    """A new kind of blame needs its words."""
    assert set(AFFAIR_OF) == set(Blame)


def test_a_kept_vm_is_told() -> None:
    """Stopped and kept: from when on, and what it cost until then."""
    launch = a_launch(accepted_at=NOW, price=3.6, deallocated_at=NOW + 500, gone_at=NOW + 9000)
    assert cost(launch, NOW + 99999) == pytest.approx(0.5)
    entries = timeline([launch], [], [], NOW + 99999)
    assert (What.DEALLOCATED, "the VM is stopped and kept; only its disk costs") in [(one.what, one.text) for one in entries]
