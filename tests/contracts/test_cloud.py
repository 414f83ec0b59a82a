"""What every Cloud does, whoever implements it: Azure behind its SDK, and the recording one that the daemon is tested with.

What a test of the daemon may rely on is held here for both; what only one of them does is tested where that one is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from slurm_azure.azure.cloud import Call, Cloud, VmOrder, VmPower
from slurm_azure.azure.compute import AzureCompute
from slurm_azure.azure.credential import make_credential
from slurm_azure.azure.limits import Limits
from slurm_azure.errors import CreateRefused
from slurm_azure.model import LaunchId, LeftoverKind, NodeName, Offer, PoolName, Priority, VmName, VmState
from tests.support.clouds import config_for
from tests.support.processes import until
from tests.support.recording_cloud import RecordingCloud
from tests.support.simulated_azure import simulated_azure


@contextmanager
def azure() -> Iterator[Cloud]:
    """The real SDK, talking to the simulator."""
    with simulated_azure() as simulated:
        config = config_for(simulated)
        compute = AzureCompute(config, make_credential(config.azure), Limits(config.limits.requests))
        yield compute
        compute.close()


@contextmanager
def recording() -> Iterator[Cloud]:
    """The one in memory."""
    yield RecordingCloud()


@pytest.fixture(params=[azure, recording], ids=["azure", "recording"])
def cloud(request: pytest.FixtureRequest) -> Iterator[Cloud]:
    with request.param() as made:
        yield made


def an_order(node: str = "az-1", launch: str = "l1", offer: Offer | None = None) -> VmOrder:
    """An order for a node of pool hb."""
    what = offer or Offer("Standard_F2s_v2")
    return VmOrder(VmName(f"{node}-x"), NodeName(node), LaunchId(launch), PoolName("hb"), what, "#cloud-config\n")


def settled(cloud: Cloud) -> None:
    """Wait until nothing is going on with any VM."""
    until(lambda: all(vm.state is VmState.SUCCEEDED for vm in cloud.list()))


def test_it_is_a_cloud(cloud: Cloud) -> None:
    """Nothing is there at first, and each kind of call has a token."""
    assert [*cloud.list()] == []
    assert [cloud.reserve(call) for call in Call] == [0.0] * len(Call)


def test_created_vm_is_listed_with_its_names(cloud: Cloud) -> None:
    """What was ordered is listed, under its names, with size, zone and priority of the offer, and comes to run."""
    offer = Offer("Standard_F2s_v2", "2", Priority.SPOT, 0.1)
    cloud.create(an_order(offer=offer))
    until(lambda: [vm.state for vm in cloud.list()] == [VmState.SUCCEEDED])
    (vm,) = cloud.list()
    assert (vm.name, vm.node, vm.launch, vm.pool) == ("az-1-x", "az-1", "l1", "hb")
    assert (vm.size, vm.zone, vm.priority) == (offer.size, offer.zone, offer.priority)


def test_created_twice_is_one_vm(cloud: Cloud) -> None:
    """The same order again is accepted, and makes nothing more."""
    cloud.create(an_order())
    cloud.create(an_order())
    assert [vm.name for vm in cloud.list()] == ["az-1-x"]


def test_name_of_another_launch_is_refused(cloud: Cloud) -> None:
    """A VM of that name which another launch made is not taken for ours."""
    cloud.create(an_order())
    with pytest.raises(CreateRefused):
        cloud.create(an_order(launch="l2"))
    assert [vm.launch for vm in cloud.list()] == ["l1"]


def test_deleted_until_it_is_gone(cloud: Cloud) -> None:
    """A delete says False as long as the VM is on its way, then True; the list has it no more."""
    cloud.create(an_order())
    assert cloud.delete(VmName("az-1-x")) is False
    until(lambda: cloud.delete(VmName("az-1-x")))
    assert [*cloud.list()] == []


def test_delete_of_what_is_not_there(cloud: Cloud) -> None:
    """Deleting what never was, is no error: it is gone."""
    assert cloud.delete(VmName("nobody")) is True


def test_name_can_be_used_again(cloud: Cloud) -> None:
    """Once gone, the name is free for another launch."""
    cloud.create(an_order())
    until(lambda: cloud.delete(VmName("az-1-x")))
    cloud.create(an_order(launch="l2"))
    assert [vm.launch for vm in cloud.list()] == ["l2"]


def test_no_cause_for_what_is_not_there(cloud: Cloud) -> None:
    """A VM that is not there has not failed."""
    assert cloud.why_failed(VmName("nobody")) is None


def test_console_of_a_vm(cloud: Cloud) -> None:
    """A VM has a console log, were it an empty one; what is not there has none."""
    cloud.create(an_order())
    assert isinstance(cloud.console(VmName("az-1-x")), str)
    assert cloud.console(VmName("nobody")) is None


def test_interface_and_disk_of_a_vm(cloud: Cloud) -> None:
    """Each VM has one of each, under its names, attached; they cannot be removed while it is there, and go with it."""
    assert [*cloud.leftovers()] == []
    cloud.create(an_order())
    found = [*cloud.leftovers()]
    assert {one.kind for one in found} == set(LeftoverKind)
    assert {(one.node, one.launch, one.pool, one.vm) for one in found} == {("az-1", "l1", "hb", "az-1-x")}
    assert [cloud.remove(one) for one in found] == [False, False]
    assert [*cloud.leftovers()] == found
    until(lambda: cloud.delete(VmName("az-1-x")))
    assert [*cloud.leftovers()] == []
    assert [cloud.remove(one) for one in found] == [True, True]


def test_stopped_and_started(cloud: Cloud) -> None:
    """A deallocated VM is still listed, and provisioned; started, it runs again; both may be asked for twice."""
    name = VmName("az-1-x")
    cloud.create(an_order())
    settled(cloud)
    assert cloud.power(name) is VmPower.RUNNING
    assert cloud.deallocate(name) is False
    settled(cloud)
    assert cloud.power(name) is VmPower.DEALLOCATED
    assert cloud.deallocate(name) is False
    settled(cloud)
    assert cloud.power(name) is VmPower.DEALLOCATED
    assert [vm.state for vm in cloud.list()] == [VmState.SUCCEEDED]
    assert cloud.start(name) is False
    settled(cloud)
    assert cloud.power(name) is VmPower.RUNNING
    assert cloud.start(name) is False


def test_a_stopped_vm_can_be_deleted(cloud: Cloud) -> None:
    """It goes, and its name is then nobody's: power, stop and start say so."""
    name = VmName("az-1-x")
    cloud.create(an_order())
    settled(cloud)
    cloud.deallocate(name)
    settled(cloud)
    assert cloud.power(name) is VmPower.DEALLOCATED
    until(lambda: cloud.delete(name))
    assert cloud.power(name) is None
    assert (cloud.deallocate(name), cloud.start(name)) == (True, True)


def test_many_threads(cloud: Cloud) -> None:
    """Eight threads create and delete at once: what was not deleted is there, each once."""

    def work(number: int) -> None:
        for turn in range(4):
            cloud.create(an_order(f"az-{number}{turn}"))
        cloud.delete(VmName(f"az-{number}0-x"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {f"az-{number}{turn}-x" for number in range(1, 9) for turn in range(1, 4)}
    until(lambda: {vm.name for vm in cloud.list()} == expected)
