"""Scale sets, placement groups and capacity reservations, driven by the unmodified SDK, synchronous and asynchronous."""

from __future__ import annotations

from typing import Any

from tests.contracts.drivers import outcome
from tests.contracts.walks import Drive, made, power, refused
from tests.support.simulated_azure import SimulatedAzure


def test_flexible_scale_set(drive: Drive) -> None:
    """A VM joins a Flexible scale set, is found by its filter with its state, and the set goes when it is empty."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        sets, group = client.virtual_machine_scale_sets, azure.resource_group
        body = {
            "location": azure.location,
            "properties": {"orchestrationMode": "Flexible", "platformFaultDomainCount": 1, "singlePlacementGroup": False},
        }
        flexible = await outcome(sets.begin_create_or_update(group, "set1", body))
        assert (flexible.orchestration_mode, flexible.provisioning_state) == ("Flexible", "Succeeded")
        await made(client, azure, "in", virtualMachineScaleSet={"id": flexible.id})
        await made(client, azure, "out")
        inside = f"'virtualMachineScaleSet/id' eq '{flexible.id}'"
        found = await outcome(client.virtual_machines.list(group, filter=inside, expand="instanceView"))
        assert [(vm.name, power(vm.instance_view)) for vm in found] == [("in", "running")]
        for listed in (sets.list(group), sets.list_all(), sets.list_by_location(azure.location)):
            assert [item.name for item in await outcome(listed)] == ["set1"]
        assert (await outcome(sets.get(group, "set1"))).id == flexible.id
        await outcome(client.virtual_machines.begin_delete(group, "in"))
        await outcome(sets.begin_delete(group, "set1"))
        assert await refused(lambda: sets.get(group, "set1")) == (404, "ResourceNotFound")

    drive(walk)


def test_proximity_placement_group(drive: Drive) -> None:
    """A proximity placement group is made, changed, listed, knows its VMs and cannot go while it has any."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        groups, group = client.proximity_placement_groups, azure.resource_group
        body = {"location": azure.location, "properties": {"proximityPlacementGroupType": "Standard"}}
        near = await outcome(groups.create_or_update(group, "near", body))
        await made(client, azure, proximityPlacementGroup={"id": near.id})
        shown = await outcome(groups.get(group, "near"))
        assert [item.id.rsplit("/", 1)[-1].lower() for item in shown.virtual_machines] == ["vm1"]
        assert (await outcome(groups.update(group, "near", {"tags": {"a": "1"}}))).tags == {"a": "1"}
        for listed in (groups.list_by_resource_group(group), groups.list_by_subscription()):
            assert [item.name for item in await outcome(listed)] == ["near"]
        assert (await refused(lambda: groups.delete(group, "near")))[0] == 409
        await outcome(client.virtual_machines.begin_delete(group, "vm1"))
        await outcome(groups.delete(group, "near"))
        assert await refused(lambda: groups.get(group, "near")) == (404, "ResourceNotFound")

    drive(walk)


def test_capacity_reservation(drive: Drive) -> None:
    """A reservation is made in its group, a VM uses it, and both go when nothing uses them."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        groups, reservations, group = client.capacity_reservation_groups, client.capacity_reservations, azure.resource_group
        held = await outcome(groups.create_or_update(group, "held", {"location": azure.location}))
        body = {"location": azure.location, "sku": {"name": "Standard_D2s_v5", "capacity": 2}}
        reservation = await outcome(reservations.begin_create_or_update(group, "held", "two", body))
        assert (reservation.sku.capacity, reservation.provisioning_state) == (2, "Succeeded")
        await made(client, azure, capacityReservation={"capacityReservationGroup": {"id": held.id}})
        shown = await outcome(reservations.get(group, "held", "two", expand="instanceView"))
        allocated = shown.instance_view.utilization_info.virtual_machines_allocated
        assert [item.id.rsplit("/", 1)[-1].lower() for item in allocated] == ["vm1"]
        listed = await outcome(reservations.list_by_capacity_reservation_group(group, "held"))
        assert [item.name for item in listed] == ["two"]
        for found in (groups.list_by_resource_group(group), groups.list_by_subscription()):
            assert [item.name for item in await outcome(found)] == ["held"]
        assert (await refused(lambda: groups.begin_delete(group, "held")))[0] == 409
        await outcome(client.virtual_machines.begin_delete(group, "vm1"))
        await outcome(reservations.begin_delete(group, "held", "two"))
        await outcome(groups.begin_delete(group, "held"))
        assert await refused(lambda: groups.get(group, "held")) == (404, "ResourceNotFound")

    drive(walk)


def test_scale_set_changes(drive: Drive) -> None:
    """A Flexible scale set's tags change, and its instance view can be read."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        sets, group = client.virtual_machine_scale_sets, azure.resource_group
        body = {"location": azure.location, "properties": {"orchestrationMode": "Flexible", "platformFaultDomainCount": 1}}
        await outcome(sets.begin_create_or_update(group, "set1", body))
        assert (await outcome(sets.begin_update(group, "set1", {"tags": {"a": "1"}}))).tags == {"a": "1"}
        assert (await outcome(sets.get_instance_view(group, "set1"))).statuses

    drive(walk)


def test_capacity_reservation_changes(drive: Drive) -> None:
    """A group's tags change, and how many VMs a reservation holds."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        groups, reservations, group = client.capacity_reservation_groups, client.capacity_reservations, azure.resource_group
        await outcome(groups.create_or_update(group, "held", {"location": azure.location}))
        assert (await outcome(groups.update(group, "held", {"tags": {"a": "1"}}))).tags == {"a": "1"}
        assert (await outcome(groups.get(group, "held"))).tags == {"a": "1"}
        body = {"location": azure.location, "sku": {"name": "Standard_D2s_v5", "capacity": 2}}
        await outcome(reservations.begin_create_or_update(group, "held", "some", body))
        less = {"sku": {"name": "Standard_D2s_v5", "capacity": 1}}
        assert (await outcome(reservations.begin_update(group, "held", "some", less))).sku.capacity == 1

    drive(walk)


def test_availability_set(drive: Drive) -> None:
    """An availability set is made, changed and listed, has its VM, and goes when it is empty."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        sets, group = client.availability_sets, azure.resource_group
        body = {"location": azure.location, "sku": {"name": "Aligned"}, "properties": {"platformFaultDomainCount": 2}}
        made_set = await outcome(sets.create_or_update(group, "set1", body))
        assert (await outcome(sets.update(group, "set1", {"tags": {"a": "1"}}))).tags == {"a": "1"}
        await made(client, azure, availabilitySet={"id": made_set.id})
        shown = await outcome(sets.get(group, "set1"))
        assert [item.id.rsplit("/", 1)[-1].lower() for item in shown.virtual_machines] == ["vm1"]
        for listed in (sets.list(group), sets.list_by_subscription()):
            assert [item.name for item in await outcome(listed)] == ["set1"]
        assert (await refused(lambda: sets.delete(group, "set1")))[0] == 409
        await outcome(client.virtual_machines.begin_delete(group, "vm1"))
        await outcome(sets.delete(group, "set1"))
        assert (await refused(lambda: sets.get(group, "set1")))[0] == 404

    drive(walk)


def test_disks(drive: Drive) -> None:
    """The disk of a VM is listed, cannot go while the VM has it, and goes with it."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        disks, group = client.disks, azure.resource_group
        await made(client, azure)
        (disk,) = await outcome(disks.list_by_resource_group(group))
        assert [item.id for item in await outcome(disks.list())] == [disk.id]
        assert (await outcome(disks.get(group, disk.name))).managed_by.lower().endswith("/vm1")
        assert (await refused(lambda: disks.begin_delete(group, disk.name)))[0] == 409
        await outcome(client.virtual_machines.begin_delete(group, "vm1"))
        assert await outcome(disks.list()) == []

    drive(walk)
