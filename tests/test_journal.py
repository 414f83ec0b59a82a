"""The journal: what is committed is there after a crash, and each request counts once."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from slurm_azure.errors import JournalError
from slurm_azure.journal import LONGEST_CONSOLE, Event, Journal, Spending, TakenRequest
from slurm_azure.model import (
    Blame,
    Breaker,
    CoolDown,
    Failure,
    FailureReason,
    JobTrouble,
    LaunchId,
    NodeName,
    Offer,
    Pause,
    PoolName,
    Priority,
    RequestId,
    RequestKind,
    Scope,
)
from tests.support.nodes import NODE, NOW, POOL, a_launch, a_wish


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path / "journal.db")


def a_request(id: str = "r1", kind: RequestKind = RequestKind.RESUME, at: float = NOW) -> TakenRequest:
    return TakenRequest(RequestId(id), kind, "az-[1-3]", at, at + 1, (7, 8))


def test_a_request_is_taken_in_once(journal: Journal) -> None:
    """The same spool file after a crash between commit and removal: no second entry, no second wish."""
    for expected in (True, False):
        with journal.writing():
            assert journal.take_in(a_request(), [a_wish()]) is expected
    assert journal.requests() == [a_request()]
    assert journal.wishes() == [a_wish()]


def test_a_launch_comes_back_as_it_was(journal: Journal) -> None:
    """Every field survives the round trip, failure and Spot price included."""
    launch = a_launch(
        offer=Offer("Standard_HB120rs_v3", "2", Priority.SPOT, 0.9), request=RequestId("r1"), jobs=(4, 5), price=3.6,
        wanted_at=1.0, sent_at=2.0, accepted_at=3.0, running_at=4.0, joined_at=5.0, released_at=6.0, release_reason="failed",
        delete_sent_at=7.0, failure=Failure(FailureReason.EVICTED, "it's \"gone\"\n", Scope.PRIORITY, Blame.CAPACITY),
        told_at=8.0, asked_at=0.5, attempt=2, boot="boot=ok", console_at=8.5, deallocated_at=9.0,
    )  # fmt: skip
    with journal.writing():
        journal.save([a_launch(), launch])
    assert journal.unfinished() == [launch]


def test_finished_launches_are_not_unfinished(journal: Journal) -> None:
    """Gone is gone; the newest launch of a node is remembered all the same."""
    gone = a_launch(gone_at=NOW + 9)
    with journal.writing():
        journal.save([gone])
    assert journal.unfinished() == []
    assert journal.last_of_each_node() == [gone]


def test_a_step_that_fails_is_not_recorded_at_all(journal: Journal) -> None:
    """One transaction: all or nothing."""

    def fail() -> None:
        with journal.writing():
            journal.save([a_launch()])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert journal.unfinished() == []


def test_a_dropped_wish_leaves_a_newer_one(journal: Journal) -> None:
    """A resume seen to, while a newer resume for the node has just come in: the newer one stays."""
    newer = a_wish(request="r2")
    with journal.writing():
        journal.take_in(a_request("r1"), [a_wish()])
        journal.take_in(a_request("r2"), [newer])
        journal.drop([a_wish()])
    assert journal.wishes() == [newer]


def test_what_is_over_is_forgotten(journal: Journal) -> None:
    """The journal does not grow for ever; what is unfinished stays however old it is."""
    with journal.writing():
        journal.save([a_launch(gone_at=NOW), a_launch(node="az-2", id="l2")])
        journal.take_in(a_request(), [])
        journal.note([Event(NOW, NODE, None, "old")])
        journal.forget(NOW + 10)
    assert [launch.node for launch in journal.launches()] == ["az-2"]
    assert journal.requests() == []
    assert journal.events() == []


def test_what_holds_across_nodes_comes_back_as_it_was(tmp_path: Path, journal: Journal) -> None:
    """Cool-downs, breakers, pauses, troubles: each field, through the end of the daemon."""
    cool = CoolDown("offer X/1/spot", FailureReason.CAPACITY, "no room", NOW, NOW + 600, 3)
    breaker = Breaker(POOL, 5, "mounts: no answer", NOW, NOW + 60, 2, NODE)
    at_rest = Breaker(PoolName("gpu"))
    site, pool = Pause(None, NOW, NOW + 60, "root", "why"), Pause(POOL, NOW, None, "ann")
    with journal.writing():
        journal.save_cool_downs([cool])
        journal.save_breakers([breaker, at_rest])
        journal.save_pause(pool)
        journal.save_pause(site)
        journal.save_troubles([JobTrouble(8, 1, NOW + 5), JobTrouble(7, 2, NOW)])
    journal.close()
    again = Journal.open(tmp_path / "journal.db")
    assert again.cool_downs() == [cool]
    assert again.breakers() == [at_rest, breaker]
    assert again.pauses() == [site, pool]
    assert again.troubles() == [JobTrouble(7, 2, NOW), JobTrouble(8, 1, NOW + 5)]
    assert again.troubles(since=NOW + 1) == [JobTrouble(8, 1, NOW + 5)]


def test_what_holds_across_nodes_is_replaced_and_dropped(journal: Journal) -> None:
    """One row for each key, pool and job, and none once it is over; the site's pause is not a pool's."""
    cool = CoolDown("size X", FailureReason.QUOTA, "full", NOW, NOW + 600)
    with journal.writing():
        journal.save_cool_downs([cool, CoolDown("site", FailureReason.PERMISSION, "no", NOW, NOW + 60)])
        journal.save_cool_downs([replace(cool, strikes=2, until=NOW + 1200)])
        journal.drop_cool_downs(["site", "unknown"])
        journal.save_pause(Pause(None, NOW, None, "root"))
        journal.save_pause(Pause(None, NOW, NOW + 5, "ann"))
        journal.save_pause(Pause(POOL, NOW, None, "root"))
        journal.drop_pause(POOL)
        journal.save_breakers([Breaker(POOL, 1)])
        journal.save_breakers([Breaker(POOL, 2)])
        journal.save_troubles([JobTrouble(7, 1, NOW)])
        journal.save_troubles([JobTrouble(7, 2, NOW + 1)])
    assert journal.cool_downs() == [replace(cool, strikes=2, until=NOW + 1200)]
    assert journal.pauses() == [Pause(None, NOW, NOW + 5, "ann")]
    assert journal.breakers() == [Breaker(POOL, 2)]
    assert journal.troubles() == [JobTrouble(7, 2, NOW + 1)]


def test_spending_adds_up_by_month_and_pool(journal: Journal) -> None:
    """Money is added, month by month, and never forgotten."""
    gpu = PoolName("gpu")
    with journal.writing():
        journal.spend("2026-11", POOL, 1.5, 3600)
        journal.spend("2026-11", POOL, 0.5, 1200)
        journal.spend("2026-11", gpu, 0.0, 60)
        journal.spend("2026-10", POOL, 9.0, 7200)
        journal.forget(NOW * 2)
    assert journal.spent("2026-11") == {POOL: 2.0, gpu: 0.0}
    assert journal.spent("2027-01") == {}
    assert journal.spending() == [
        Spending("2026-10", POOL, 9.0, 7200.0),
        Spending("2026-11", gpu, 0.0, 60.0),
        Spending("2026-11", POOL, 2.0, 4800.0),
    ]
    assert [row.pool for row in journal.spending(since="2026-11")] == [gpu, POOL]


def test_a_console_log_is_kept_small_and_whole(journal: Journal) -> None:
    """What a VM wrote on its serial console, odd characters included; of an endless one the end; compressed."""
    id, odd = LaunchId("l1"), "boot \ud800 \x00 ü\r\n"
    with journal.writing():
        journal.keep_console(id, NOW, odd)
    assert journal.console(id) == (NOW, odd.replace("\ud800", "?"))
    with journal.writing():
        journal.keep_console(id, NOW + 1, "x" * LONGEST_CONSOLE + "the end")
    at, text = journal.console(id) or (0.0, "")
    assert (at, len(text), text[-7:]) == (NOW + 1, LONGEST_CONSOLE, "the end")
    assert journal.console(LaunchId("other")) is None
    with journal.writing():
        journal.forget_consoles(NOW + 2)
    assert journal.console(id) is None


def test_what_is_over_across_nodes_is_forgotten(journal: Journal) -> None:
    """Cool-downs, pauses and troubles of long ago, orders and consoles go; what has no end stays."""
    lasting = Pause(POOL, NOW, None, "ann")
    with journal.writing():
        journal.save_cool_downs([CoolDown("pool hb", FailureReason.IMAGE, "gone", NOW, NOW + 5)])
        journal.save_pause(Pause(None, NOW, NOW + 5, "root"))
        journal.save_pause(lasting)
        journal.save_troubles([JobTrouble(7, 1, NOW)])
        journal.keep_console(LaunchId("l1"), NOW, "x")
        assert journal.take_order("o1", NOW, NOW, "{}")
        journal.forget(NOW + 10)
    assert (journal.cool_downs(), journal.pauses(), journal.troubles()) == ([], [lasting], [])
    assert (journal.console(LaunchId("l1")), journal.order_taken_at("o1")) == (None, None)


def test_an_order_is_taken_in_once(journal: Journal) -> None:
    """Its id is remembered, with the moment it was taken in."""
    with journal.writing():
        assert journal.take_order("o1", NOW, NOW + 1, "{}")
        assert not journal.take_order("o1", NOW, NOW + 9, "{}")
    assert journal.order_taken_at("o1") == NOW + 1
    assert journal.order_taken_at("o2") is None


def test_events_are_told_by_node(journal: Journal) -> None:
    """`why NODE` shows the node's own events only."""
    mine, other = Event(NOW, NODE, None, "x"), Event(NOW, NodeName("az-2"), None, "y")
    with journal.writing():
        journal.note([mine, other])
    assert journal.events(NODE) == [mine]
    assert journal.events() == [mine, other]


def test_the_command_line_reads_beside_the_daemon(tmp_path: Path, journal: Journal) -> None:
    """Read-only, while the writer is open; and it cannot write."""
    with journal.writing():
        journal.save([a_launch()])
    reader = Journal.open(tmp_path / "journal.db", readonly=True)
    assert len(reader.unfinished()) == 1
    with pytest.raises(JournalError), reader.writing():
        reader.save([a_launch()])


def test_a_journal_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    """`slurm-azure status` on a machine where the daemon never ran."""
    with pytest.raises(JournalError, match="has slurm-azured run on this machine"):
        Journal.open(tmp_path / "none.db", readonly=True)


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    """A downgrade must not write into a schema it does not know."""
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(JournalError, match="newer slurm-azure"):
        Journal.open(tmp_path / "journal.db")


@pytest.mark.parametrize(
    "damage", [b"this was a database once" * 100, b"SQLite format 3\0" + b"\xff" * 5000], ids=["text", "torn"]
)
def test_a_damaged_journal_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    """S29: the daemon starts, with an empty journal, and the damaged one is kept for a person to look at."""
    path = tmp_path / "journal.db"
    path.write_bytes(damage)
    assert Journal.open(path).unfinished() == []
    assert (tmp_path / "journal.damaged-1").read_bytes() == damage


def test_only_its_owner_reads_the_journal(tmp_path: Path, journal: Journal) -> None:
    """Mode 0600: node names and Azure's messages are nobody else's business."""
    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o600
    journal.close()


def test_what_was_committed_survives_kill_9(tmp_path: Path) -> None:
    """Invariant 1: the writer is killed right after its commit; a new one finds everything."""
    code = """
import os, sys; sys.path.insert(0, sys.argv[2])
from pathlib import Path
from slurm_azure.journal import Journal
from tests.support.nodes import a_launch
journal = Journal.open(Path(sys.argv[1]))
with journal.writing():
    journal.save([a_launch(node=f"az-{n}", id=f"l{n}") for n in range(1000)])
os.kill(os.getpid(), 9)
"""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "journal.db"), str(root)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(Journal.open(tmp_path / "journal.db").unfinished()) == 1000
