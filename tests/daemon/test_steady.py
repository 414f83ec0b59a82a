"""A clock that does not jump."""

from __future__ import annotations

from pathlib import Path

from slurm_azure.daemon.spool import Spool
from slurm_azure.daemon.steady import Steady
from slurm_azure.intake import accept
from slurm_azure.journal import Journal
from slurm_azure.model import NodeName
from tests.support.nodes import NOW, POOL


class Machine:
    """A machine's two clocks."""

    def __init__(self) -> None:
        self.wall, self.ticks = NOW, 50.0

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds


def test_it_goes_on_when_the_machines_clock_is_set() -> None:
    """Two hours ahead, or back: durations stay what they are."""
    machine = Machine()
    clock = Steady(lambda: machine.wall, lambda: machine.ticks)
    machine.wait(10)
    machine.wall += 7200
    machine.wait(5)
    assert clock() == NOW + 15


def test_it_can_be_set_right_once_nothing_is_waited_for() -> None:
    """Only a step counts: what NTP moves by the way is left."""
    machine = Machine()
    clock = Steady(lambda: machine.wall, lambda: machine.ticks)
    machine.wall += 0.5
    assert not clock.set_right()
    machine.wall -= 7200
    assert clock.set_right()
    assert clock() == machine.wall


def test_a_request_is_from_between_two_looks_whatever_its_own_time_says(tmp_path: Path) -> None:
    """The hook reads the machine's clock; only what waited when the daemon started is as old as it says."""
    journal, spool = Journal.open(tmp_path / "journal.db"), Spool(tmp_path / "spool")

    def asked(at: float, now: float) -> float:
        accept(str(tmp_path / "spool"), "resume", b"az-1", b"", int(at * 1e9))
        [taken] = spool.take_in(journal, {NodeName("az-1"): POOL}, now)
        return taken.wishes[0].at

    assert asked(NOW - 300, NOW) == NOW - 300
    assert asked(NOW + 7200, NOW + 5) == NOW + 5
    assert asked(NOW - 7200, NOW + 9) == NOW + 5
    journal.close()
