"""Every simulated operation on virtual machines, driven by the unmodified SDK, synchronous and asynchronous."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, ResourceExistsError, ResourceNotFoundError

from tests.contracts.drivers import outcome
from tests.contracts.walks import Drive, made, power, refused
from tests.simulator.raw import ask
from tests.support.simulated_azure import SimulatedAzure, vm_body


def test_create_read_change_delete(drive: Drive) -> None:
    """A VM is made, read in each way, changed and deleted; the models of the SDK find what they expect."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        vms, group = client.virtual_machines, azure.resource_group
        data = base64.b64encode(b"to be read").decode()
        vm = await made(client, azure, userData=data, top={"tags": {"a": "1"}, "zones": ["1"]})
        assert (vm.provisioning_state, vm.zones, vm.tags) == ("Succeeded", ["1"], {"a": "1"})
        shown = await outcome(vms.get(group, "vm1", expand="instanceView"))
        assert power(shown.instance_view) == "running"
        assert (await outcome(vms.get(group, "vm1", expand="userData"))).user_data == data
        assert power(await outcome(vms.instance_view(group, "vm1"))) == "running"
        changed = await outcome(vms.begin_update(group, "vm1", {"tags": {"b": "2"}}))
        assert changed.tags == {"b": "2"}
        again = await outcome(vms.begin_create_or_update(group, "vm1", vm_body(azure, "vm1", top={"zones": ["1"]})))
        assert again.vm_id == vm.vm_id
        sizes = await outcome(vms.list_available_sizes(group, "vm1"))
        assert "Standard_D2s_v5" in {size.name for size in sizes}
        await outcome(vms.begin_delete(group, "vm1"))
        with pytest.raises(ResourceNotFoundError):
            await outcome(vms.get(group, "vm1"))
        assert await outcome(vms.begin_delete(group, "vm1", force_deletion=True)) is None

    drive(walk)


def test_lists_in_pages(drive: Drive) -> None:
    """Each list shows every VM once, over several pages; the list by state shows states."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        names = [f"vm{number}" for number in range(5)]
        for name in names:
            await made(client, azure, name)
        vms = client.virtual_machines
        for found in (vms.list(azure.resource_group), vms.list_all(), vms.list_by_location(azure.location)):
            assert [vm.name for vm in await outcome(found)] == names
        states = await outcome(vms.list_all(status_only="true"))
        assert {power(vm.instance_view) for vm in states} == {"running"}

    drive(walk)


def test_power(drive: Drive) -> None:
    """Each power action ends where Microsoft's "States and billing status" says, and the VM can be used again."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        vms, group = client.virtual_machines, azure.resource_group
        await made(client, azure)
        steps: list[tuple[Callable[[], Any], str]] = [
            (lambda: vms.begin_power_off(group, "vm1"), "stopped"),
            (lambda: vms.begin_start(group, "vm1"), "running"),
            (lambda: vms.begin_power_off(group, "vm1", skip_shutdown=True), "stopped"),
            (lambda: vms.begin_deallocate(group, "vm1"), "deallocated"),
            (lambda: vms.begin_start(group, "vm1"), "running"),
            (lambda: vms.begin_restart(group, "vm1"), "running"),
            (lambda: vms.begin_redeploy(group, "vm1"), "running"),
            (lambda: vms.begin_reapply(group, "vm1"), "running"),
        ]
        for act, state in steps:
            await outcome(act())
            assert power(await outcome(vms.instance_view(group, "vm1"))) == state
            assert (await outcome(vms.get(group, "vm1"))).provisioning_state == "Succeeded"

    drive(walk)


def test_boot_diagnostics(drive: Drive) -> None:
    """The serial console log can be downloaded from the address that is given, without a token."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        await made(client, azure, diagnosticsProfile={"bootDiagnostics": {"enabled": True}})
        data = await outcome(client.virtual_machines.retrieve_boot_diagnostics_data(azure.resource_group, "vm1"))
        log = ask(azure.endpoint, "GET", data.serial_console_log_blob_uri.removeprefix(azure.endpoint), ca_file=azure.ca_file)
        assert log.status == 200
        assert log.text

    drive(walk)


def test_simulated_eviction_is_for_spot_only(drive: Drive) -> None:
    """simulateEviction is accepted (204) for a Spot VM and refused for another."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        await made(client, azure, "spot", priority="Spot", evictionPolicy="Delete")
        await made(client, azure, "regular")
        await outcome(client.virtual_machines.simulate_eviction(azure.resource_group, "spot"))
        status, _ = await refused(lambda: client.virtual_machines.simulate_eviction(azure.resource_group, "regular"))
        assert status in (400, 409)

    drive(walk)


def test_operations_that_are_not_simulated_say_so(drive: Drive) -> None:
    """What Azure can do and the simulator cannot is refused as an error of the SDK, with code NotImplemented."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        vms, group = client.virtual_machines, azure.resource_group
        await made(client, azure)
        assert await refused(lambda: vms.generalize(group, "vm1")) == (501, "NotImplemented")
        assert await refused(lambda: vms.begin_assess_patches(group, "vm1")) == (501, "NotImplemented")

    drive(walk)


def test_errors_have_the_classes_that_were_measured(drive: Drive) -> None:
    """404 and 409 come out as the SDK's classes for them, 400 as the general one, with Azure's code."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        vms, group = client.virtual_machines, azure.resource_group
        with pytest.raises(ResourceNotFoundError):
            await outcome(vms.get(group, "nobody"))
        assert await refused(lambda: vms.get(group, "nobody")) == (404, "ResourceNotFound")
        assert await refused(lambda: made(client, azure, hardwareProfile={"vmSize": "x"})) == (400, "InvalidParameter")
        await made(client, azure)
        profile = vm_body(azure, "other-name")["properties"]["osProfile"]
        with pytest.raises(ResourceExistsError):
            await made(client, azure, osProfile=profile)
        assert await refused(lambda: made(client, azure, osProfile=profile)) == (409, "PropertyChangeNotAllowed")

    drive(walk)


def put_fault(azure: SimulatedAzure, what: str) -> None:
    """Let the next request that `what` is for go wrong."""
    body = json.dumps([{"what": what, "count": 1}]).encode()
    assert ask(str(azure.endpoints.control), "PUT", "/faults", body).status == 200


def test_an_operation_that_fails_is_an_error_with_status_200(drive: Drive) -> None:
    """The poller of a create without a host raises with Azure's code, and with the 200 of the status request."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        put_fault(azure, "ZonalAllocationFailed")
        assert await refused(lambda: made(client, azure, top={"zones": ["2"]})) == (200, "ZonalAllocationFailed")
        assert (await outcome(client.virtual_machines.get(azure.resource_group, "vm1"))).provisioning_state == "Failed"

    drive(walk)


def test_a_token_that_is_refused_and_a_right_that_is_missing(drive: Drive) -> None:
    """401 is ClientAuthenticationError, 403 the general error, each with Azure's code."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        def get() -> Any:
            return client.virtual_machines.get(azure.resource_group, "vm1")

        put_fault(azure, "ExpiredAuthenticationToken")
        with pytest.raises(ClientAuthenticationError, match="ExpiredAuthenticationToken"):
            await outcome(get())
        put_fault(azure, "AuthorizationFailed")
        assert await refused(get) == (403, "AuthorizationFailed")

    drive(walk)
