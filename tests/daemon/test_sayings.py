"""What Slurm is told, and what a refusal of Slurm's holds back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_azure.azure.cloud import VmOrder
from slurm_azure.daemon.orders import Order, OrderKind, give
from slurm_azure.errors import CreateRefused
from slurm_azure.model import NodeName, Power
from slurm_azure.slurm.scheduler import Tell
from tests.support.configs import a_config
from tests.support.daemons import Daemon
from tests.support.nodes import a_node

NODE = NodeName("az-1")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path, a_config("az-[1-3]"))
    made.slurm.states[NODE] = a_node(Power.OFF, NODE, "slurm-azure: budget: closed: at most 4 nodes", "DRAIN")
    yield made
    made.parts.close()


def told(daemon: Daemon, what: Tell) -> int:
    """How often Slurm was told that of the node."""
    return sum(tell is what and NODE in names for tell, names, _ in daemon.slurm.told)


def test_what_was_told_is_told_again_only_after_another_look(daemon: Daemon) -> None:
    """The pool is open again: however many rounds there are before Slurm is looked at, the node is brought back once."""
    daemon.settle(1)
    for _ in range(5):
        daemon.parts.loop.memory.changed = True
        daemon.settle()
    assert told(daemon, Tell.IDLE) == 1


def test_what_an_administrator_has_just_set_aside_is_left_alone(tmp_path: Path) -> None:
    """Invariant 5: drained by hand after the last look at Slurm, and in that moment the site is paused: the reason stays."""
    daemon = Daemon(tmp_path, a_config("az-[1-3]"))
    daemon.settle(1)
    daemon.slurm.states[NODE] = a_node(Power.OFF, NODE, "disk looks odd", "DRAIN")
    give(tmp_path / "orders", Order(OrderKind.PAUSE, daemon.now, "root"), 1)
    daemon.settle(2)
    daemon.parts.close()
    told_of = {name for tell, names, _ in daemon.slurm.told if tell is Tell.DRAIN for name in names}
    assert told_of == {"az-2", "az-3"}


def test_a_refusal_holds_back_what_was_refused_and_nothing_else(daemon: Daemon) -> None:
    """Slurm would not bring the node back, for a job had just been given it; seconds later its launch fails: Slurm hears at
    once."""

    def refuse(order: VmOrder) -> None:
        raise CreateRefused("NeverHeardOf", "no", 400)

    daemon.slurm.refuse[NODE] = "Invalid node state specified"
    daemon.settle(1)
    assert told(daemon, Tell.IDLE) == 1
    del daemon.slurm.refuse[NODE]
    daemon.cloud.on_create = refuse
    daemon.power(Power.WAKING, NODE)
    daemon.hook("resume", NODE)
    daemon.settle(5)
    assert told(daemon, Tell.DOWN) == 1
