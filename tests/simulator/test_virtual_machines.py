"""Virtual machines, asked for by the real azure-mgmt-compute over TLS."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.mgmt.compute import ComputeManagementClient

from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, simulated_azure, vm_body


def create(client: ComputeManagementClient, azure: SimulatedAzure, name: str = "vm-1", **options: Any) -> Any:
    """One create call, without polling."""
    body: Any = vm_body(azure)
    poller = client.virtual_machines.begin_create_or_update(azure.resource_group, name, body, polling=False, **options)
    return poller.result()


def delete(client: ComputeManagementClient, azure: SimulatedAzure, name: str = "vm-1") -> None:
    client.virtual_machines.begin_delete(azure.resource_group, name, polling=False).result()


def state(azure: SimulatedAzure, name: str = "vm-1") -> tuple[str, str | None] | None:
    """(provisioning, power) of a VM, None if it is gone."""
    found = [vm for vm in azure.vms() if vm["name"] == name]
    return (found[0]["provisioningState"], found[0]["powerState"]) if found else None


def codes(client: ComputeManagementClient, azure: SimulatedAzure, name: str = "vm-1") -> list[str]:
    """The codes of the instance view."""
    view = client.virtual_machines.instance_view(azure.resource_group, name)
    return [str(status.code) for status in view.statuses or []]


def test_create_and_delete_with_the_sdks_own_pollers(azure: SimulatedAzure) -> None:
    """begin_create_or_update().result() gives the finished VM, begin_delete().result() takes it away."""
    with azure.compute() as client:
        body: Any = vm_body(azure)
        vm = client.virtual_machines.begin_create_or_update(azure.resource_group, "vm-1", body).result()
        assert vm.provisioning_state == "Succeeded"
        assert vm.vm_id
        client.virtual_machines.begin_delete(azure.resource_group, "vm-1").result()
        assert list(client.virtual_machines.list(azure.resource_group)) == []
        with pytest.raises(ResourceNotFoundError) as refused:
            client.virtual_machines.get(azure.resource_group, "vm-1")
    assert refused.value.error is not None
    assert refused.value.error.code == "ResourceNotFound"


def test_states_follow_one_another_in_time(slow_azure: SimulatedAzure) -> None:
    """Creating without a host, then starting up, then Succeeded; Deleting, then gone; each at its time."""
    azure = slow_azure
    with azure.compute() as client:
        assert create(client, azure).provisioning_state == "Creating"
        assert codes(client, azure) == ["ProvisioningState/creating"]
        azure.advance(2)
        assert codes(client, azure) == ["ProvisioningState/creating/osProvisioningInProgress", "PowerState/running"]
        azure.advance(19)
        assert state(azure) == ("Creating", "running")
        azure.advance(1)
        assert codes(client, azure) == ["ProvisioningState/succeeded", "PowerState/running"]
        delete(client, azure)
        assert state(azure) == ("Deleting", None)
        assert [vm.provisioning_state for vm in client.virtual_machines.list(azure.resource_group)] == ["Deleting"]
        azure.advance(29)
        assert state(azure) == ("Deleting", None)
        azure.advance(1)
        assert state(azure) is None


def test_the_answer_to_a_create_is_that_of_azures_asynchronous_pattern(slow_azure: SimulatedAzure) -> None:
    """201 with Azure-AsyncOperation; the operation is InProgress, then Succeeded, always HTTP 200."""
    azure = slow_azure
    answer = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    assert (answer.status, answer.body["properties"]["provisioningState"]) == (201, "Creating")
    url = answer.headers["Azure-AsyncOperation"]
    assert url.startswith(f"{azure.endpoint}/subscriptions/{azure.subscription}/providers/Microsoft.Compute/locations/")
    path = url.removeprefix(azure.endpoint).split("?")[0]
    first = arm(azure, "GET", path)
    assert (first.status, first.body["status"], "endTime" in first.body) == (200, "InProgress", False)
    azure.advance(22)
    last = arm(azure, "GET", path)
    assert (last.status, last.body["status"], last.body["name"]) == (200, "Succeeded", path.rsplit("/", 1)[1])


def test_the_answer_to_a_delete_is_that_of_azures_asynchronous_pattern(slow_azure: SimulatedAzure) -> None:
    """202 with Azure-AsyncOperation and Location; Location answers 202 until the VM is gone, then 200."""
    azure = slow_azure
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    answer = arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert answer.status == 202
    assert answer.headers["Azure-AsyncOperation"]
    monitor = answer.headers["Location"].removeprefix(azure.endpoint).split("&p=")[0]
    assert arm(azure, "GET", monitor).status == 202
    again = arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert again.headers["Azure-AsyncOperation"] == answer.headers["Azure-AsyncOperation"]
    azure.advance(30)
    assert arm(azure, "GET", monitor).status == 200
    assert arm(azure, "DELETE", vm_path(azure, "vm-1")).status == 204


def test_a_name_rests_while_its_vm_is_being_deleted(slow_azure: SimulatedAzure) -> None:
    """A create over a VM on its way out is 409 OperationNotAllowed with the documented text; afterwards it works."""
    azure = slow_azure
    with azure.compute() as client:
        create(client, azure)
        delete(client, azure)
        with pytest.raises(ResourceExistsError, match="marked for deletion") as refused:
            create(client, azure)
        assert refused.value.error is not None
        assert (refused.value.status_code, refused.value.error.code) == (409, "OperationNotAllowed")
        azure.advance(30)
        assert create(client, azure).provisioning_state == "Creating"


def test_a_delete_preempts_the_create_that_is_under_way(slow_azure: SimulatedAzure) -> None:
    """The create's operation ends as Canceled, and nothing of the VM is left: no address, no interface, no disk."""
    azure = slow_azure
    answer = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    path = answer.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).split("?")[0]
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    ended = arm(azure, "GET", path).body
    assert (ended["status"], ended["error"]["code"]) == ("Canceled", "OperationPreempted")
    azure.advance(100)
    assert azure.vms() == []
    for kind in ("Microsoft.Network/networkInterfaces", "Microsoft.Compute/disks"):
        assert arm(azure, "GET", f"{azure.group_path}/providers/{kind}").body == {"value": []}


def test_putting_the_same_vm_again_changes_nothing(azure: SimulatedAzure) -> None:
    """A repeated create is 200 with the same VM, interface and disk: a retry cannot make two."""
    body = vm_body(azure, top={"tags": {"node": "az-1"}})
    first = arm(azure, "PUT", vm_path(azure, "vm-1"), body)
    second = arm(azure, "PUT", vm_path(azure, "VM-1"), body)
    assert (first.status, second.status) == (201, 200)
    assert second.body["properties"]["vmId"] == first.body["properties"]["vmId"]
    assert second.body["properties"]["networkProfile"] == first.body["properties"]["networkProfile"]
    assert second.body["name"] == "vm-1", "a name keeps the case it was made with"
    assert len(azure.vms()) == 1


def test_if_none_match_makes_a_create_only_call(azure: SimulatedAzure) -> None:
    """With MatchConditions.IfMissing an existing VM is 412 PreconditionFailed; without there being one, 201."""
    only_new: Any = {"etag": "*", "match_condition": MatchConditions.IfMissing}
    with azure.compute() as client:
        assert create(client, azure, **only_new).provisioning_state == "Creating"
        with pytest.raises((ResourceExistsError, ResourceModifiedError)) as refused:
            create(client, azure, **only_new)
    assert refused.value.status_code == 412
    assert refused.value.error is not None
    assert refused.value.error.code == "PreconditionFailed"


@pytest.mark.parametrize(
    ("change", "target"),
    [
        ({"osProfile": {"computerName": "b", "adminUsername": "azureuser"}}, "osProfile.computerName"),
        ({"storageProfile": {"osDisk": {"createOption": "FromImage", "name": "another"}}}, "osDisk.name"),
    ],
)
def test_what_cannot_be_changed_is_refused(azure: SimulatedAzure, change: dict[str, Any], target: str) -> None:
    """A PUT over an existing VM with another immutable value is 409 PropertyChangeNotAllowed and changes nothing."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    answer = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, **change))
    assert (answer.status, answer.code, answer.body["error"]["target"]) == (409, "PropertyChangeNotAllowed", target)


def test_other_custom_data_is_refused(azure: SimulatedAzure) -> None:
    """customData is written once."""
    bodies = [vm_body(azure) for _ in range(2)]
    for body, text in zip(bodies, (b"one", b"two"), strict=True):
        body["properties"]["osProfile"]["customData"] = base64.b64encode(text).decode()
    arm(azure, "PUT", vm_path(azure, "vm-1"), bodies[0])
    assert arm(azure, "PUT", vm_path(azure, "vm-1"), bodies[0]).status == 200
    assert arm(azure, "PUT", vm_path(azure, "vm-1"), bodies[1]).code == "PropertyChangeNotAllowed"


def test_secrets_are_never_shown_again(azure: SimulatedAzure) -> None:
    """customData and adminPassword are in no answer; userData only where $expand asks for it."""
    data = base64.b64encode(b"a secret that should not be here").decode()
    body = vm_body(azure, userData=data)
    body["properties"]["osProfile"] |= {"customData": data, "adminPassword": "Pa55w.rd-of-old"}
    created = arm(azure, "PUT", vm_path(azure, "vm-1"), body)
    plain = arm(azure, "GET", vm_path(azure, "vm-1"))
    listed = arm(azure, "GET", vm_path(azure))
    view = arm(azure, "GET", vm_path(azure, "vm-1") + "?$expand=instanceView")
    for answer in (created, plain, listed, view):
        assert data.encode() not in answer.text
        assert b"Pa55w" not in answer.text
    asked = arm(azure, "GET", vm_path(azure, "vm-1") + "?$expand=userData")
    assert asked.body["properties"]["userData"] == data
    assert asked.text.count(data.encode()) == 1
    assert azure.control("/vms/vm-1")["customData"] == data


def test_ids_are_compared_without_regard_to_case(azure: SimulatedAzure) -> None:
    """A VM is found however its id is written."""
    arm(azure, "PUT", vm_path(azure, "Vm-1"), vm_body(azure))
    for path in (vm_path(azure, "vm-1").upper(), vm_path(azure, "VM-1").lower()):
        assert arm(azure, "GET", path).body["name"] == "Vm-1"


def test_tags_can_be_patched(azure: SimulatedAzure) -> None:
    """PATCH replaces the tags and leaves the rest; the etag changes."""
    first = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, top={"tags": {"a": "1"}}))
    answer = arm(azure, "PATCH", vm_path(azure, "vm-1"), {"tags": {"b": "2"}})
    assert (answer.status, answer.body["tags"]) == (200, {"b": "2"})
    assert answer.body["etag"] != first.body["etag"]
    stale = arm(azure, "PATCH", vm_path(azure, "vm-1"), {"tags": {}}, If_Match=first.body["etag"])
    assert (stale.status, stale.code) == (412, "PreconditionFailed")


def test_a_guest_that_halts_stays_and_is_billed(azure: SimulatedAzure) -> None:
    """A guest's own shutdown gives PowerState/stopped with the VM still there, until it is deleted."""
    with azure.compute() as client:
        create(client, azure)
        azure.control("/vms/vm-1/halt", "POST")
        assert codes(client, azure) == ["ProvisioningState/succeeded", "PowerState/stopped"]
        delete(client, azure)
        assert azure.vms() == []


def test_a_user_assigned_identity_has_to_exist(azure: SimulatedAzure) -> None:
    """An unknown identity is refused; a known one is shown with its client and principal id."""
    wanted = {"type": "UserAssigned", "userAssignedIdentities": {azure.identity_id: {}}}
    made = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, top={"identity": wanted}))
    assert set(made.body["identity"]["userAssignedIdentities"][azure.identity_id]) == {"principalId", "clientId"}
    unknown = {"type": "UserAssigned", "userAssignedIdentities": {azure.identity_id + "x": {}}}
    refused = arm(azure, "PUT", vm_path(azure, "vm-2"), vm_body(azure, top={"identity": unknown}))
    assert (refused.status, refused.code) == (400, "FailedIdentityOperation")


def test_lists_come_in_pages_with_an_absolute_link() -> None:
    """The SDK follows nextLink through all pages; each VM is seen once, in the order it was made."""
    with simulated_azure(page_size=3) as paged, paged.compute() as client:
        names = [f"vm-{number}" for number in range(8)]
        for name in names:
            create(client, paged, name)
        paged.forget()
        assert [vm.name for vm in client.virtual_machines.list(paged.resource_group)] == names
        assert paged.counts() == {"VirtualMachines_List": 3}
        first = arm(paged, "GET", vm_path(paged))
        assert first.body["nextLink"].startswith(f"{paged.endpoint}{vm_path(paged)}?")


def test_a_page_neither_repeats_nor_hides_what_stays() -> None:
    """When VMs go between two pages, every VM that stays is listed exactly once."""
    with simulated_azure(page_size=3) as paged, paged.compute() as client:
        for number in range(9):
            create(client, paged, f"vm-{number}")
        seen = []
        for page in client.virtual_machines.list(paged.resource_group).by_page():
            seen += [vm.name for vm in page]
            if len(seen) == 3:
                for number in (0, 2, 4):
                    delete(client, paged, f"vm-{number}")
        assert seen == ["vm-0", "vm-1", "vm-2", "vm-3", "vm-5", "vm-6", "vm-7", "vm-8"]


def test_a_page_link_that_was_not_ours_is_refused(azure: SimulatedAzure) -> None:
    """A made-up skip token is 400, not an empty list that looks complete."""
    assert arm(azure, "GET", vm_path(azure) + "?$skiptoken=nonsense").status == 400


def test_list_all_tells_run_time_status_if_asked(azure: SimulatedAzure) -> None:
    """statusOnly=true lists power states; the plain list has models without them."""
    with azure.compute() as client:
        create(client, azure)
        (status,) = client.virtual_machines.list_all(status_only="true")
        (plain,) = client.virtual_machines.list_all()
    assert status.instance_view is not None
    assert [entry.code for entry in status.instance_view.statuses or []][-1] == "PowerState/running"
    assert plain.instance_view is None
    assert plain.hardware_profile is not None


def test_expanding_a_groups_list_needs_a_scale_set(azure: SimulatedAzure) -> None:
    """$expand=instanceView on the plain list is refused, as the OpenAPI file says."""
    assert arm(azure, "GET", vm_path(azure) + "?$expand=instanceView").status == 400


def test_vms_of_another_group_and_region_are_apart(azure: SimulatedAzure) -> None:
    """The list of a group is that group's; listByLocation goes by region."""
    with azure.compute() as client:
        create(client, azure)
        assert list(client.virtual_machines.list("other")) == []
        assert len(list(client.virtual_machines.list_by_location("WestEurope"))) == 1
        assert list(client.virtual_machines.list_by_location("northeurope")) == []
        with pytest.raises(HttpResponseError) as refused:
            list(client.virtual_machines.list("absent"))
    assert refused.value.error is not None
    assert refused.value.error.code == "ResourceGroupNotFound"
