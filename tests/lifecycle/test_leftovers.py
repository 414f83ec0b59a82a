"""Leftovers: two looks have to agree that nobody needs them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from slurm_azure.lifecycle.leftovers import Look, look, removable
from slurm_azure.model import LaunchId, Leftover, LeftoverKind, NodeName, PoolName, Vm, VmName
from tests.support.nodes import NOW, a_launch, a_vm

LAG = 60.0


def a_leftover(name: str = "nic-1", launch: str = "l1", **changes: Any) -> Leftover:
    made = Leftover(LeftoverKind.INTERFACE, name, NodeName("az-1"), LaunchId(launch), PoolName("hb"))
    return replace(made, **changes)


def alone(at: float = NOW, *leftovers: Leftover) -> Look:
    """A look in which these belonged to nobody."""
    return look(at, leftovers or (a_leftover(),), (), ())


def test_two_looks_agree() -> None:
    """Seen alone twice, a lag apart: it goes."""
    assert removable(alone(), alone(NOW + LAG), LAG) == (a_leftover(),)


@pytest.mark.parametrize("before", [None, alone(NOW + 1), alone(NOW, a_leftover("another"))], ids=["first", "soon", "new"])
def test_one_look_is_not_enough(before: Look | None) -> None:
    """Not at the first look, not at a second that follows at once, not what was not there before."""
    assert removable(before, alone(NOW + LAG), LAG) == ()


def test_attached_ones_stay() -> None:
    """A VM has it."""
    assert look(NOW, [a_leftover(vm=VmName("az-1-l1"))], (), ()).alone == {}


def test_those_of_listed_vms_stay() -> None:
    """Its VM is listed (by launch, whatever its name), so it is about to be attached, or to go along."""
    vm = a_vm(a_launch())
    assert look(NOW, [a_leftover()], [vm], ()).alone == {}
    assert look(NOW, [a_leftover()], [replace(vm, launch=LaunchId("l9"))], ()).alone != {}


def test_those_of_unfinished_launches_stay() -> None:
    """A launch of the journal that is not gone may have its VM made, or deleted, just now."""
    assert look(NOW, [a_leftover()], (), [a_launch()]).alone == {}


def test_disk_of_a_vm_that_another_launch_has_taken_over() -> None:
    """Its tags name a launch that is gone, its name the VM that is there."""
    disk = a_leftover("az-1-l1_OsDisk_1_0a", "l1", kind=LeftoverKind.DISK)
    taken = Vm(VmName("az-1-l1"), NodeName("az-1"), LaunchId("lost"), PoolName("hb"), a_vm(a_launch()).state)
    assert look(NOW, [disk], [taken], ()).alone == {}
    assert look(NOW, [disk], (), [a_launch(id="l2", vm_name=VmName("az-1-l1"))]).alone == {}


def test_young_disk_stays() -> None:
    """One of the same name as before, made since."""
    young = a_leftover(created_at=NOW + 30)
    assert removable(alone(), alone(NOW + LAG, young), LAG) == ()


def test_interface_and_disk_of_one_name_are_two() -> None:
    """Names are unique by kind only."""
    disk = a_leftover(kind=LeftoverKind.DISK)
    assert removable(alone(), alone(NOW + LAG, disk), LAG) == ()
