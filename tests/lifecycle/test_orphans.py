"""What does not fit together, in one look at both sides; and what is in order, or cannot be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurm_azure.lifecycle.orphans import Cure, Kind, Orphan, Scene, confirmed, orphans
from slurm_azure.lifecycle.park import KEPT
from slurm_azure.model import LaunchId, Leftover, LeftoverKind, NodeName, PoolName, Power, Vm, VmName, VmState
from tests.support.nodes import NODE, NOW, POOL, a_launch, a_node, a_vm

LAG = 60.0


def old_vm(node: str = NODE, id: str = "l1", **changes: Any) -> Vm:
    """A VM that has been there for an hour."""
    return a_vm(a_launch(node, id), **{"created_at": NOW - 3600, **changes})


def found(**scene: Any) -> list[tuple[Kind, str, Cure]]:
    """What does not fit, briefly. All nodes are off unless told otherwise."""
    given = {"at": NOW, "pool_of": {NODE: POOL}, "vms": (), "leftovers": (), "slurm": {NODE: a_node()}, "launches": ()}
    return [(one.kind, one.name, one.cure) for one in orphans(Scene(**{**given, **scene}), LAG)]


def deleted(vm: Vm) -> list[tuple[Kind, str, Cure]]:
    return [(Kind.VM, vm.name, Cure.DELETE)]


def test_all_is_well() -> None:
    """A VM with its launch under a node that is up."""
    assert found(vms=[old_vm()], launches=[a_launch()], slurm={NODE: a_node(Power.UP)}) == []


def test_kept_vm_is_well() -> None:
    """One that is stopped and kept is explained by its launch."""
    kept = a_launch(released_at=NOW - 600, release_reason=KEPT, deallocated_at=NOW - 500)
    assert found(vms=[old_vm()], launches=[kept]) == []


def test_vm_without_a_launch() -> None:
    """Slurm does not use its node: it goes."""
    assert found(vms=[old_vm()]) == deleted(old_vm())


def test_vm_of_a_node_in_no_pool() -> None:
    """Taken out of the configuration: it goes, unless a launch explains it (the daemon lets its jobs end)."""
    vm = old_vm("az-99")
    assert found(vms=[vm]) == deleted(vm)
    assert found(vms=[vm], launches=[a_launch("az-99")]) == []


def test_vm_whose_launch_is_over() -> None:
    """By the journal: that counts even while Slurm does not answer; but not in the very moment."""
    over = a_launch(gone_at=NOW - 600)
    assert found(vms=[old_vm()], over=[over], slurm=None) == deleted(old_vm())
    assert found(vms=[old_vm()], over=[replace(over, gone_at=NOW - 5)], slurm=None) == []


@pytest.mark.parametrize(
    "vm",
    [old_vm(created_at=NOW - 5), old_vm(created_at=None), old_vm(state=VmState.DELETING)],
    ids=["young", "ageless", "going"],
)
def test_vm_that_is_left_alone(vm: Vm) -> None:
    """Too young for lists and journal to agree, of unknown age, or on its way out already."""
    assert found(vms=[vm]) == []


@pytest.mark.parametrize("slurm", [None, {NODE: a_node(Power.UP)}, {NODE: a_node(Power.WAKING)}], ids=["away", "up", "waking"])
def test_vm_that_may_serve(slurm: Any) -> None:
    """Slurm uses its node, or cannot be asked: it is shown, and not touched."""
    assert found(vms=[old_vm()], slurm=slurm) == [(Kind.VM, old_vm().name, Cure.NONE)]


def test_second_vm_of_a_node_that_is_up() -> None:
    """Its node is served by another: it goes."""
    vms = [old_vm(), old_vm(id="l2")]
    assert found(vms=vms, launches=[a_launch()], slurm={NODE: a_node(Power.UP)}) == deleted(vms[1])


def test_node_that_slurm_forgot() -> None:
    """Its line is not in slurm.conf any more: with a launch its VM is shown only, without one it goes."""
    assert found(vms=[old_vm()], launches=[a_launch()], slurm={}) == [(Kind.VM, old_vm().name, Cure.NONE)]
    assert found(vms=[old_vm()], slurm={}) == deleted(old_vm())


def test_leftovers() -> None:
    """An interface without a VM goes; one that is attached, of a launch that is not over, or a young disk stays."""
    nic = Leftover(LeftoverKind.INTERFACE, "nic", NODE, LaunchId("lost"), PoolName("hb"))
    assert found(leftovers=[nic]) == [(Kind.INTERFACE, "nic", Cure.DELETE)]
    assert found(leftovers=[replace(nic, vm=VmName("v"))]) == []
    assert found(leftovers=[replace(nic, launch=LaunchId("l1"))], launches=[a_launch()]) == []
    assert found(leftovers=[replace(nic, kind=LeftoverKind.DISK, created_at=NOW - 5)]) == []


@pytest.mark.parametrize("power", [Power.UP, Power.WAKING])
def test_node_without_a_vm(power: Power) -> None:
    """Up or waking, and nothing is there: Slurm is to be told. Not if a launch or a VM is there, if it is down already, or
    in nobody's pool."""
    up = {NODE: a_node(power)}
    assert found(slurm=up) == [(Kind.NODE, NODE, Cure.SET_DOWN)]
    assert found(slurm=up, launches=[a_launch()]) == []
    assert (Kind.NODE, NODE, Cure.SET_DOWN) not in found(slurm=up, vms=[old_vm()])
    assert found(slurm={NODE: a_node(power, down=True)}) == []
    assert found(slurm={NodeName("onprem"): a_node(power, "onprem")}) == []


def test_waking_node_whose_request_waits() -> None:
    """The daemon is down or has not come to it: the request is there, nothing is wrong. One that is up is bare all the same."""
    for wanted in (frozenset({NODE}), None):
        assert found(slurm={NODE: a_node(Power.WAKING)}, wanted=wanted) == []
        assert found(slurm={NODE: a_node(Power.UP)}, wanted=wanted) == [(Kind.NODE, NODE, Cure.SET_DOWN)]


def test_what_two_looks_agree_on() -> None:
    """By kind and name, in the words of the later look."""
    first = Orphan(Kind.VM, "a", NODE, "then", Cure.DELETE)
    assert confirmed([first], [replace(first, cause="now")]) == (replace(first, cause="now"),)
    assert confirmed([first], [replace(first, kind=Kind.DISK)]) == ()
