"""`slurm-azure pause` and `resume-service`: what they order, what they say, with and without a daemon."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slurm_azure.cli import pause, resume_service, status
from slurm_azure.cli.context import Context
from slurm_azure.cli.main import make_parser
from slurm_azure.cli.orders import one_line
from slurm_azure.daemon.orders import Order, OrderKind, Orders
from slurm_azure.errors import UsageError
from slurm_azure.journal import Journal
from slurm_azure.model import Pause
from tests.support.nodes import POOL, a_launch
from tests.support.sites import Site

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC).timestamp()


class Desk:
    """A site where time passes only while the command line waits; a daemon takes orders in meanwhile, if it listens."""

    def __init__(self, site: Site) -> None:
        self.site, self.now, self.works = site, NOW, True
        self.run_folder = site.folder / "run"
        self.run_folder.mkdir()
        self.orders = Orders(site.state / "orders")
        self.fifo: int | None = None

    def start_daemon(self, works: bool = True) -> None:
        """Somebody listens; it takes orders in unless it hangs."""
        Journal.open(self.site.state / "journal.db").close()
        os.mkfifo(self.run_folder / "wake")
        self.fifo, self.works = os.open(self.run_folder / "wake", os.O_RDWR | os.O_NONBLOCK), works

    def pass_time(self, seconds: float) -> None:
        """What the command line's sleep does here."""
        self.now += seconds
        if self.works:
            journal = Journal.open(self.site.state / "journal.db")
            self.orders.take_in(journal, self.now)
            journal.close()

    def run(self, *words: str) -> str:
        """Run the command; what it says."""
        where = [] if words[0] == "status" else ["--run", str(self.run_folder)]
        options = make_parser({words[0]}).parse_args([*words, *where])
        context = Context(self.site.config, self.site.state, clock=lambda: self.now, sleep=self.pass_time)
        self.site.said()
        command = {"pause": pause, "resume-service": resume_service, "status": status}[words[0]]
        assert command.run(options, context) == 0
        return self.site.said()

    def given(self) -> list[Order]:
        """Orders that wait in the folder."""
        files = sorted(self.orders.folder.iterdir())
        return [Order(**json.loads(file.read_text())) for file in files]

    def pauses(self) -> list[Pause]:
        """Those in the journal."""
        journal = Journal.open(self.site.state / "journal.db", readonly=True)
        found = journal.pauses()
        journal.close()
        return found


@pytest.fixture
def desk(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk in a time zone an hour before UTC."""
    monkeypatch.setenv("TZ", "CET-1")
    monkeypatch.setenv("SUDO_USER", "ann")
    time.tzset()
    desk = Desk(site)
    yield desk
    monkeypatch.undo()
    time.tzset()
    if desk.fifo is not None:
        os.close(desk.fifo)


def test_a_pause_is_taken_in_and_said(desk: Desk) -> None:
    """One line: until when, what goes on, what does not; by whom and why stand in the journal."""
    running = [a_launch(f"az-{n}", f"l{n}", accepted_at=NOW, joined_at=NOW) for n in range(12)]
    desk.site.journal([*running, a_launch("az-20", "l20", accepted_at=NOW), a_launch("az-21", "l21")])
    desk.start_daemon()
    said = desk.run("pause", "--for", "2h", "--reason", "network\nwork")
    assert said == "paused until 14:00 UTC; 12 running and 1 booting nodes go on; nothing new is made\n"
    assert desk.pauses() == [Pause(None, NOW, NOW + 7200, "ann", "network work")]
    assert desk.given() == []


def test_a_pause_takes_plain_seconds_and_its_end_is_shown_alike_everywhere(desk: Desk) -> None:
    """As the configuration does; the minute in which it is surely over, by the command, by `status` and on the nodes."""
    desk.site.journal()
    desk.start_daemon()
    assert desk.run("pause", "--for", "7230").startswith("paused until 14:01 UTC;")
    seen = desk.run("status")
    assert "14:01 UTC" in seen
    assert "14:00" not in seen


def test_a_pool_can_be_paused_alone(desk: Desk) -> None:
    """Nodes of other pools are not counted, and the pause has no end unless given one."""
    desk.site.journal(
        [a_launch(accepted_at=NOW, joined_at=NOW), a_launch("x-1", "l2", pool="x", accepted_at=NOW, joined_at=NOW)]
    )
    desk.start_daemon()
    said = desk.run("pause", "--pool", "hb")
    assert said == "pool hb paused until somebody resumes it; 1 running node goes on; nothing new is made\n"
    assert desk.pauses() == [Pause(POOL, NOW, None, "ann")]


def test_without_a_daemon_the_order_waits(desk: Desk) -> None:
    """Nobody listens, and there is no journal yet: it is durable, and the line says from when it counts."""
    said = desk.run("pause", "--reason", "budget")
    assert said.endswith("; no node runs; nothing new is made (slurm-azured does not run: this counts from its start)\n")
    assert desk.given() == [Order(OrderKind.PAUSE, NOW, "ann", reason="budget")]


def test_without_a_daemon_what_waits_is_seen(desk: Desk) -> None:
    """A pause that waits for the daemon is shown by `status`, and is what `resume-service` takes back."""
    desk.site.journal()
    desk.run("pause", "--reason", "filer moves")
    shown = desk.site.run("status").out
    assert "orders: 1 that the daemon has not taken in" in shown
    assert "filer moves" in shown
    assert json.loads(desk.site.run("status", "--json").out)["orders"] == 1
    assert desk.run("resume-service").startswith("the site is in service again (slurm-azured does not run")
    assert desk.run("resume-service").startswith("the site was not paused (slurm-azured does not run")
    assert "filer moves" not in desk.site.run("status").out


def test_what_is_no_order_is_only_passed_over(desk: Desk) -> None:
    """Whoever only looks neither fails at a damaged order nor moves it: that is the daemon's to do."""
    desk.site.journal()
    damaged = desk.orders.folder / "1-a.order"
    damaged.write_text("{")
    assert "orders:" not in desk.site.run("status").out
    assert damaged.exists()


def test_a_daemon_that_does_not_take_it_in(desk: Desk) -> None:
    """After some seconds the command goes, and says that the order stands."""
    desk.start_daemon(works=False)
    assert "has not taken it in within 5 s" in desk.run("pause")
    assert NOW + 5 <= desk.now < NOW + 6
    assert len(desk.given()) == 1


def test_the_daemon_is_woken(desk: Desk) -> None:
    """A byte in the FIFO, as from the hooks: nobody waits for the next round."""
    desk.start_daemon()
    desk.run("pause")
    assert desk.fifo is not None
    assert os.read(desk.fifo, 10) == b"\n"


def test_service_is_resumed(desk: Desk) -> None:
    """What was paused is not any more; what still is, is named."""
    desk.start_daemon()
    desk.run("pause")
    desk.run("pause", "--pool", "hb", "--for", "1h")
    left = "still paused: pool hb until 13:01 UTC"
    assert desk.run("resume-service") == f"the site is in service again; {left}\n"
    assert desk.run("resume-service") == f"the site was not paused; {left}\n"
    assert desk.run("resume-service", "--pool", "hb") == "pool hb is in service again\n"
    assert desk.pauses() == []


def test_a_pool_that_is_not_there(desk: Desk) -> None:
    """A misspelt pool is refused with the nearest name, and nothing is ordered."""
    ran = desk.site.run("pause", "--pool", "hbb")
    assert (ran.code, ran.err) == (2, "slurm-azure: there is no pool 'hbb'; did you mean hb?\n")
    assert desk.given() == []


def test_a_mistaken_configuration_does_not_keep_one_from_pausing(desk: Desk) -> None:
    """Stopping the spending must not need the file that is broken."""
    desk.site.config.write_text("cluster: [\n")
    assert desk.run("pause", "--pool", "hb").startswith("pool hb paused")
    assert [order.pool for order in desk.given()] == ["hb"]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("14:00", 1),
        ("13:00", 24),
        ("9:30", 20.5),
        ("2026-11-21T14:00", 1),
        ("2026-11-21 14:00", 1),
        ("2026-11-21T14:00+00:00", 2),
        ("2026-11-21T14:00Z", 2),
        ("2026-11-22", 11),
    ],
)
def test_moments_are_local_unless_they_say_otherwise(desk: Desk, text: str, hours: float) -> None:
    """It is 13:00 here and 12:00 UTC; a time of day is the next one."""
    assert pause.moment(text, NOW) == NOW + hours * 3600


@pytest.mark.parametrize("text", ["25:00", "12:60", "soon", "2026-11-20", "9999999-01-01", "2026-11-21T13:00"])
def test_what_is_no_moment_to_come_is_refused(desk: Desk, text: str) -> None:
    """Nonsense and the past are usage errors that name the text."""
    with pytest.raises(UsageError, match=text):
        pause.moment(text, NOW)


@pytest.mark.parametrize("words", [["--for", "soon"], ["--for", "0s"], ["--for", "1h", "--until", "14:00"]])
def test_wrong_ends_are_refused(site: Site, words: list[str]) -> None:
    """One line, exit 2."""
    ran = site.run("pause", *words)
    assert (ran.code, ran.err.count("\n")) == (2, 1)


def test_odd_reasons_are_one_readable_line() -> None:
    """Whatever a shell can pass: no line breaks, no escape sequences, no bytes that are no text, not endless."""
    assert one_line("a\nb\t c\x1b[31m\udcff") == "a b c?[31m?"
    assert len(one_line("x" * 10_000)) == 500


def test_a_folder_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    """Where the daemon was never set up: one line, exit 74."""
    ran = site.run("pause")
    assert (ran.code, ran.err.count("\n")) == (74, 1)
    assert "orders: not there; has slurm-azured run on this machine" in ran.err
