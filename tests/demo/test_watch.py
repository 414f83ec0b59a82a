"""What the demonstration says of the difference between two looks."""

from __future__ import annotations

from slurm_azure.demo.watch import Look, changes


def test_nodes_that_change_alike_are_one_line() -> None:
    """Six nodes that power up are one line with a hostlist; what stays as it is is not told."""
    before = Look(nodes={f"n{number}": "idle~" for number in range(1, 8)})
    now = Look(nodes={f"n{number}": "allocated#" for number in range(1, 7)} | {"n7": "idle~"})
    assert list(changes(before, now)) == [("Slurm", "  idle~ -> allocated# n[1-6]")]


def test_vms_come_and_go() -> None:
    """A VM that appears and one that disappears are told by name."""
    lines = list(changes(Look(machines={"a-1": "deleting"}), Look(machines={"b-2": "creating"})))
    assert lines == [("Azure", "    new -> creating b-2"), ("Azure", "deleting -> gone    a-1")]


def test_nothing_new_is_silence() -> None:
    """Two equal looks make no line."""
    look = Look({"n1": "idle~"}, {"a": "running"}, {"RUNNING": 2}, 3)
    assert list(changes(look, look)) == []


def test_rest_is_no_vm_and_every_node_powered_down() -> None:
    """A VM, a node in another state, or no answer at all is no rest."""
    assert Look(nodes={"n1": "idle~"}).at_rest
    assert not Look(nodes={"n1": "idle~"}, machines={"a": "deleting"}).at_rest
    assert not Look(nodes={"n1": "idle~", "n2": "idle%"}).at_rest
    assert not Look().at_rest
