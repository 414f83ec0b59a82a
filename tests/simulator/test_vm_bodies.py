"""What a VM may be made with beyond what the product asks for, and what a PUT or PATCH may change of it later."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from slurm_azure.simulator.timing import constant
from tests.simulator.raw import Answer, arm, vm_path
from tests.simulator.test_create_refusals import REMOVED, changed
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

PASSWORD = "Not-A-Real-1"
WINDOWS = {"publisher": "MicrosoftWindowsServer", "offer": "WindowsServer", "sku": "2022-datacenter", "version": "latest"}
NIC = "properties.networkProfile.networkInterfaceConfigurations.0.properties"


def windows_body(azure: SimulatedAzure, **profile: Any) -> dict[str, Any]:
    """A Windows VM with a password; `profile` is merged over its osProfile."""
    body = vm_body(azure)
    body["properties"]["storageProfile"]["imageReference"] = WINDOWS
    body["properties"]["osProfile"] = {
        "computerName": "win-1",
        "adminUsername": "azureuser",
        "adminPassword": PASSWORD,
        **profile,
    }
    return body


def with_disks(body: dict[str, Any], *disks: dict[str, Any]) -> dict[str, Any]:
    """The body with these data disks."""
    body = copy.deepcopy(body)
    body["properties"]["storageProfile"]["dataDisks"] = list(disks)
    return body


def with_addresses(azure: SimulatedAzure, number: int) -> dict[str, Any]:
    """A VM with that many further addresses in the subnet that has three."""
    body = vm_body(azure)
    addresses = body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]["ipConfigurations"]
    addresses += [{"name": f"more{n}", "properties": {"subnet": {"id": azure.small_subnet_id}}} for n in range(number)]
    return body


def disk_path(azure: SimulatedAzure, name: str = "") -> str:
    """The path of a disk, or of the group's disks."""
    path = f"{azure.group_path}/providers/Microsoft.Compute/disks"
    return f"{path}/{name}" if name else path


def put(azure: SimulatedAzure, body: dict[str, Any], name: str = "vm-1") -> Answer:
    """Make or change a VM."""
    return arm(azure, "PUT", vm_path(azure, name), body)


def luns(answer: Answer) -> list[int]:
    """The luns of the data disks in an answer."""
    return [disk["lun"] for disk in answer.body["properties"]["storageProfile"]["dataDisks"]]


def test_a_windows_vm_gets_its_defaults(azure: SimulatedAzure) -> None:
    """Agent and updates are on unless told; no password and no unattended content is ever shown."""
    content = [{"passName": "oobeSystem", "settingName": "AutoLogon", "content": PASSWORD}]
    made = put(azure, windows_body(azure, windowsConfiguration={"additionalUnattendContent": content, "timeZone": "UTC"}))
    assert made.status == 201
    profile = made.body["properties"]["osProfile"]
    assert profile["windowsConfiguration"] == {
        "provisionVMAgent": True,
        "enableAutomaticUpdates": True,
        "additionalUnattendContent": [{"passName": "OobeSystem", "settingName": "AutoLogon"}],
        "timeZone": "UTC",
    }
    disk = made.body["properties"]["storageProfile"]["osDisk"]
    assert (disk["osType"], disk["diskSizeGB"]) == ("Windows", 127)
    assert PASSWORD.encode() not in made.text + arm(azure, "GET", vm_path(azure, "vm-1")).text


@pytest.mark.parametrize(
    ("profile", "target"),
    [
        ({"computerName": "more-than-15-characters"}, "computerName"),
        ({"computerName": "12345"}, "computerName"),
        ({"adminPassword": None}, "adminPassword"),
        ({"adminPassword": "Short1!"}, "adminPassword"),
        ({"adminPassword": "P@ssw0rd"}, "adminPassword"),
        ({"adminUsername": "ends."}, "adminUsername"),
        ({"adminUsername": "Administrator"}, "adminUsername"),
    ],
)
def test_what_windows_does_not_take(azure: SimulatedAzure, profile: dict[str, Any], target: str) -> None:
    """Names and passwords by the documented rules for Windows."""
    answer = put(azure, windows_body(azure, **profile))
    assert (answer.status, answer.code, answer.body["error"]["target"]) == (400, "InvalidParameter", target)


@pytest.mark.parametrize(
    ("path", "value", "status", "code", "target"),
    [
        ("properties.unheardOf", 1, 400, "InvalidRequestContent", ""),
        ("unheardOf", 1, 400, "InvalidRequestContent", ""),
        ("properties.storageProfile.osDisk.colour", "red", 400, "InvalidRequestContent", ""),
        ("properties.securityProfile", {"securityType": "Loose"}, 400, "InvalidParameter", "securityProfile.securityType"),
        ("properties.diagnosticsProfile", {"bootDiagnostics": {"enabled": "yes"}}, 400, "InvalidRequestContent", ""),
        ("properties.extensionsTimeBudget", "PT5M", 400, "InvalidParameter", "extensionsTimeBudget"),
        ("properties.extensionsTimeBudget", "soon", 400, "InvalidParameter", "extensionsTimeBudget"),
        (
            "properties.scheduledEventsProfile",
            {"terminateNotificationProfile": {"enable": True, "notBeforeTimeout": "PT20M"}},
            400,
            "InvalidParameter",
            "scheduledEventsProfile.terminateNotificationProfile.notBeforeTimeout",
        ),
        (
            "properties.applicationProfile",
            {"galleryApplications": [{}]},
            400,
            "InvalidParameter",
            "galleryApplications.packageReferenceId",
        ),
        ("properties.capacityReservation", {}, 400, "InvalidParameter", "capacityReservation.capacityReservationGroup.id"),
        ("properties.proximityPlacementGroup", {}, 400, "InvalidParameter", "proximityPlacementGroup.id"),
        ("properties.platformFaultDomain", 1, 400, "InvalidParameter", "platformFaultDomain"),
        ("properties.hostGroup", {"id": "/x"}, 501, "NotImplemented", ""),
        ("placement", {"zonePlacementPolicy": "Any", "includeZones": ["8"]}, 400, "InvalidAvailabilityZone", ""),
        ("properties.storageProfile.osDisk.vhd", {"uri": "https://x/y.vhd"}, 400, "InvalidParameter", "osDisk"),
        ("properties.storageProfile.osDisk.vhd", {}, 400, "InvalidParameter", "osDisk.vhd.uri"),
        (
            "properties.storageProfile.osDisk.managedDisk.securityProfile",
            {"securityEncryptionType": "DiskWithVMGuestState"},
            400,
            "InvalidParameter",
            "managedDisk.securityProfile.securityEncryptionType",
        ),
        (
            "properties.storageProfile.osDisk.managedDisk.id",
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/disks/d",
            400,
            "InvalidParameterConflictingProperties",
            "",
        ),
        (f"{NIC}.ipConfigurations.0.properties.privateIPAddressVersion", "IPv6", 501, "NotImplemented", ""),
        (
            f"{NIC}.ipConfigurations.0.properties.primary",
            False,
            400,
            "InvalidParameter",
            "networkInterfaceConfigurations.ipConfigurations",
        ),
    ],
)
def test_a_bad_member_is_refused(azure: SimulatedAzure, path: str, value: Any, status: int, code: str, target: str) -> None:
    """Anywhere in the body: the code, the place, and nothing is left behind."""
    answer = put(azure, changed(vm_body(azure), path, value))
    assert (answer.status, answer.code, answer.body["error"].get("target", "")) == (status, code, target)
    assert azure.vms() == []


@pytest.mark.parametrize(
    ("disk", "status", "code", "target"),
    [
        ({"lun": 0, "createOption": "Empty"}, 400, "InvalidParameter", "dataDisk.diskSizeGB"),
        ({"lun": 64, "createOption": "Empty", "diskSizeGB": 1}, 400, "InvalidParameter", "dataDisk.lun"),
        ({"lun": 0, "createOption": "Attach"}, 400, "InvalidParameter", "dataDisk.managedDisk.id"),
        ({"lun": 0, "createOption": "Copy"}, 400, "InvalidParameter", "dataDisk.sourceResource.id"),
        ({"lun": 0, "createOption": "Attach", "managedDisk": {"id": "/x"}}, 404, "ResourceNotFound", ""),
        (
            {"lun": 0, "createOption": "Empty", "diskSizeGB": 4, "vhd": {"uri": "https://x/y.vhd"}},
            409,
            "OperationNotAllowed",
            "dataDisk",
        ),
        (
            {"lun": 0, "createOption": "Empty", "diskSizeGB": 4, "managedDisk": {"storageAccountType": "UltraSSD_LRS"}},
            400,
            "InvalidParameter",
            "managedDisk.storageAccountType",
        ),
    ],
)
def test_a_bad_data_disk_is_refused(azure: SimulatedAzure, disk: dict[str, Any], status: int, code: str, target: str) -> None:
    """Each with its code, and nothing is left behind."""
    answer = put(azure, with_disks(vm_body(azure), disk))
    assert (answer.status, answer.code, answer.body["error"].get("target", "")) == (status, code, target)
    assert arm(azure, "GET", disk_path(azure)).body == {"value": []}


def test_two_disks_cannot_have_one_lun(azure: SimulatedAzure) -> None:
    """Refused with the lun as target."""
    disk = {"lun": 3, "createOption": "Empty", "diskSizeGB": 4}
    assert put(azure, with_disks(vm_body(azure), disk, disk)).body["error"]["target"] == "dataDisk.lun"


def test_blobs_are_disks_too(azure: SimulatedAzure) -> None:
    """Unmanaged disks are shown with their addresses, and no managed disk is made for them."""
    body = vm_body(azure)
    body["properties"]["storageProfile"]["osDisk"] = {
        "createOption": "fromImage",
        "osType": "Linux",
        "image": {"uri": "https://store.blob.core.windows.net/vhds/image.vhd"},
        "vhd": {"uri": "https://store.blob.core.windows.net/vhds/os.vhd"},
    }
    blob = {"uri": "https://store.blob.core.windows.net/vhds/data.vhd"}
    made = put(azure, with_disks(body, {"lun": 0, "createOption": "Empty", "diskSizeGB": 4, "vhd": blob}))
    storage = made.body["properties"]["storageProfile"]
    assert (made.status, storage["osDisk"]["createOption"], storage["dataDisks"][0]["vhd"]) == (201, "FromImage", blob)
    assert arm(azure, "GET", disk_path(azure)).body == {"value": []}


def test_disks_are_detached_attached_and_copied(azure: SimulatedAzure) -> None:
    """A detached disk stays, is attached to another VM, cannot be attached twice, and can be copied meanwhile."""
    one = {"lun": 0, "name": "scratch", "createOption": "Empty", "diskSizeGB": 8}
    put(azure, with_disks(vm_body(azure), one))
    attached = {"lun": 5, "createOption": "Attach", "managedDisk": {"id": disk_path(azure, "SCRATCH")}}
    copied = {"lun": 6, "createOption": "Copy", "sourceResource": {"id": disk_path(azure, "scratch")}}
    assert put(azure, with_disks(vm_body(azure, "b"), attached), "vm-2").code == "OperationNotAllowed"
    assert luns(put(azure, with_disks(vm_body(azure)))) == []
    assert arm(azure, "GET", disk_path(azure, "scratch")).body["properties"]["diskState"] == "Unattached"
    made = put(azure, with_disks(vm_body(azure, "b"), attached, copied), "vm-2")
    assert (made.status, luns(made)) == (201, [5, 6])
    second = made.body["properties"]["storageProfile"]["dataDisks"]
    assert (second[0]["name"], second[0]["diskSizeGB"], second[1]["diskSizeGB"]) == ("scratch", 8, 8)
    assert arm(azure, "GET", disk_path(azure, "scratch")).body["managedBy"] == vm_path(azure, "vm-2")
    copy_of = arm(azure, "GET", second[1]["managedDisk"]["id"]).body["properties"]["creationData"]
    assert copy_of == {"createOption": "Copy", "sourceResourceId": disk_path(azure, "scratch")}


def test_an_os_disk_is_attached_with_what_is_on_it(azure: SimulatedAzure) -> None:
    """A VM can be made of an OS disk that another one left; it has no osProfile then."""
    body = changed(vm_body(azure), "properties.storageProfile.osDisk.deleteOption", "Detach")
    left = put(azure, body).body["properties"]["storageProfile"]["osDisk"]
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    again = changed(
        vm_body(azure),
        "properties.storageProfile.osDisk",
        {"createOption": "Attach", "managedDisk": {"id": left["managedDisk"]["id"]}},
    )
    del again["properties"]["storageProfile"]["imageReference"]
    assert put(azure, again, "vm-2").body["error"]["target"] == "osProfile"
    del again["properties"]["osProfile"]
    made = put(azure, again, "vm-2")
    assert (made.status, made.body["properties"]["storageProfile"]["osDisk"]["osType"]) == (201, "Linux")
    assert arm(azure, "PATCH", vm_path(azure, "vm-2"), {"tags": {"a": "b"}}).status == 200


def test_a_disk_name_that_is_taken_fails_the_creation() -> None:
    """The PUT is accepted, its operation fails, the disk stays its owner's; once the name is free the PUT succeeds."""
    with simulated_azure(clock=ManualClock(), create_seconds=constant(1.0)) as azure:
        body = changed(vm_body(azure), "properties.storageProfile.osDisk.name", "boot")
        put(azure, body)
        made = put(azure, body, "vm-2")
        assert made.status == 201
        azure.advance(5)
        assert arm(azure, "GET", vm_path(azure, "vm-2")).body["properties"]["provisioningState"] == "Failed"
        states = arm(azure, "GET", vm_path(azure, "vm-2/instanceView")).body["statuses"]
        assert states[0]["code"] == "ProvisioningState/failed/ConflictingUserInput"
        assert arm(azure, "GET", disk_path(azure, "boot")).body["managedBy"] == vm_path(azure, "vm-1")
        arm(azure, "DELETE", vm_path(azure, "vm-1"))
        azure.advance(60)
        assert put(azure, body, "vm-2").status == 200
        azure.advance(5)
        assert arm(azure, "GET", vm_path(azure, "vm-2")).body["properties"]["provisioningState"] == "Succeeded"
        assert arm(azure, "GET", disk_path(azure, "boot")).body["managedBy"] == vm_path(azure, "vm-2")


def test_an_interface_with_several_addresses(azure: SimulatedAzure) -> None:
    """All are taken, shown with what belongs to them, and given back with the VM."""
    body = vm_body(azure)
    group = {"id": f"{azure.group_path}/providers/Microsoft.Network/applicationSecurityGroups/asg"}
    second = {"name": "second", "properties": {"subnet": {"id": azure.small_subnet_id}, "applicationSecurityGroups": [group]}}
    settings = body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]
    settings["tags"] = {"owner": "vm"}
    settings["properties"]["ipConfigurations"].append(second)
    made = put(azure, body)
    identity = made.body["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
    shown = arm(azure, "GET", identity).body
    found = [(item["name"], item["properties"]["primary"]) for item in shown["properties"]["ipConfigurations"]]
    assert (shown["tags"], found) == ({"owner": "vm"}, [("ipc0", True), ("second", False)])
    assert shown["properties"]["ipConfigurations"][1]["properties"]["applicationSecurityGroups"] == [group]
    assert put(azure, with_addresses(azure, 3), "vm-2").code == "SubnetIsFull"
    with azure.compute() as typed:
        client: Any = typed  # its models are typed, and it takes plain objects as well
        client.virtual_machines.begin_delete(azure.resource_group, "vm-1").result()
    assert put(azure, with_addresses(azure, 3), "vm-2").status == 201


def test_a_public_address_is_made_along_with_the_vm(azure: SimulatedAzure) -> None:
    """It is a resource with an address, named by the interface; with deleteOption Delete it goes with the VM."""
    wanted = {
        "name": "pip",
        "sku": {"name": "Standard"},
        "properties": {"deleteOption": "Delete", "dnsSettings": {"domainNameLabel": "label"}},
    }
    made = put(azure, changed(vm_body(azure), f"{NIC}.ipConfigurations.0.properties.publicIPAddressConfiguration", wanted))
    nic = arm(azure, "GET", made.body["properties"]["networkProfile"]["networkInterfaces"][0]["id"]).body
    address = nic["properties"]["ipConfigurations"][0]["properties"]["publicIPAddress"]["id"]
    shown = arm(azure, "GET", address).body["properties"]
    assert shown["publicIPAllocationMethod"] == "Static"
    assert shown["ipAddress"].startswith("198.18.")
    assert shown["dnsSettings"]["fqdn"] == "label.westeurope.cloudapp.azure.com"
    with azure.compute() as typed:
        client: Any = typed  # its models are typed, and it takes plain objects as well
        client.virtual_machines.begin_delete(azure.resource_group, "vm-1").result()
    assert arm(azure, "GET", address).status == 404


def test_addresses_are_given_back_if_one_cannot_be_had(azure: SimulatedAzure) -> None:
    """An interface with more addresses than a subnet has is refused, and the subnet is as it was."""
    assert put(azure, with_addresses(azure, 4)).code == "SubnetIsFull"
    assert put(azure, with_addresses(azure, 3)).status == 201


def test_a_subnet_that_is_not_named_is_the_first_of_the_region(azure: SimulatedAzure) -> None:
    """Microsoft's example names none."""
    made = put(azure, changed(vm_body(azure), f"{NIC}.ipConfigurations.0.properties.subnet", REMOVED))
    identity = made.body["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
    address = arm(azure, "GET", identity).body["properties"]["ipConfigurations"][0]["properties"]
    assert address["subnet"]["id"] == azure.subnet_id


def test_azure_may_choose_the_zone(azure: SimulatedAzure) -> None:
    """`placement` leaves the zone to Azure within what it includes and excludes, and is shown."""
    wish = {"zonePlacementPolicy": "Any", "includeZones": ["2", "3"], "excludeZones": ["2"]}
    made = put(azure, vm_body(azure, top={"placement": wish}))
    assert (made.status, made.body["zones"], made.body["placement"]) == (201, ["3"], wish)


def test_what_was_read_can_be_put_back(azure: SimulatedAzure) -> None:
    """Read, change, put: no password, customData or user data has to be told again, and nothing else changes."""
    put(azure, windows_body(azure, customData="Yw=="))
    read = arm(azure, "GET", vm_path(azure, "vm-1")).body
    again = put(azure, {**read, "tags": {"a": "b"}})
    assert (again.status, again.body["tags"]) == (200, {"a": "b"})
    assert again.body["properties"] == read["properties"]


def test_what_was_read_can_be_put_back_without_its_image(azure: SimulatedAzure) -> None:
    """As `az vm resize` and `az vm update` do: the image cannot be changed, so it need not be told; nor is it lost."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    read = arm(azure, "GET", vm_path(azure, "vm-1")).body
    image = read["properties"]["storageProfile"].pop("imageReference")
    read["properties"]["hardwareProfile"]["vmSize"] = "Standard_D4s_v5"
    answer = arm(azure, "PUT", vm_path(azure, "vm-1"), read)
    assert (answer.status, answer.body["properties"]["hardwareProfile"]["vmSize"]) == (200, "Standard_D4s_v5")
    assert arm(azure, "GET", vm_path(azure, "vm-1")).body["properties"]["storageProfile"]["imageReference"] == image


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"properties": {"osProfile": {"computerName": "other"}}}, "PropertyChangeNotAllowed"),
        ({"properties": {"storageProfile": {"imageReference": {"sku": "other"}}}}, "PropertyChangeNotAllowed"),
        ({"properties": {"priority": "Spot"}}, "VMPriorityCannotBeApplied"),
        ({"zones": ["2"]}, "PropertyChangeNotAllowed"),
        ({"properties": {"networkProfile": {"networkInterfaces": [{"id": "/x"}]}}}, "OperationNotAllowed"),
        ({"properties": {"storageProfile": {"osDisk": {"createOption": "FromImage", "diskSizeGB": 1}}}}, "ResizeDiskError"),
        ({"properties": {"storageProfile": {"osDisk": {"createOption": "Attach"}}}}, "InvalidParameter"),
        ({"properties": {"hardwareProfile": {"vmSize": 1}}}, "InvalidRequestContent"),
        ({"properties": []}, "InvalidRequestContent"),
        ({"colour": "red"}, "InvalidRequestContent"),
        ({"properties": {"userData": "not base64!"}}, "InvalidParameter"),
    ],
)
def test_what_a_patch_cannot_change(azure: SimulatedAzure, change: dict[str, Any], code: str) -> None:
    """Refused with its code, and the VM is as it was."""
    put(azure, vm_body(azure))
    before = arm(azure, "GET", vm_path(azure, "vm-1")).body
    assert arm(azure, "PATCH", vm_path(azure, "vm-1"), change).code == code
    assert arm(azure, "GET", vm_path(azure, "vm-1")).body == before


def test_what_a_patch_changes(azure: SimulatedAzure) -> None:
    """What VirtualMachineUpdate has takes the place of what the VM has; the rest stays."""
    put(azure, vm_body(azure, top={"tags": {"a": "b"}}))
    change = {
        "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        "licenseType": "RHEL_BYOS",
        "osProfile": {"allowExtensionOperations": False},
        "storageProfile": {"dataDisks": [{"lun": 1, "createOption": "Empty", "diskSizeGB": 4}]},
        "userData": "dQ==",
    }
    answer = arm(azure, "PATCH", vm_path(azure, "vm-1"), {"properties": change})
    shown = answer.body["properties"]
    assert (answer.status, answer.body["tags"], luns(answer)) == (200, {"a": "b"}, [1])
    assert shown["hardwareProfile"]["vmSize"] == "Standard_D4s_v5"
    assert (shown["licenseType"], shown["osProfile"]["allowExtensionOperations"]) == ("RHEL_BYOS", False)
    assert shown["osProfile"]["computerName"] == "az-1"
    expanded = arm(azure, "GET", vm_path(azure, "vm-1") + "?$expand=userData").body
    assert expanded["properties"]["userData"] == "dQ=="


def test_a_disk_is_detached_by_patch(azure: SimulatedAzure) -> None:
    """`toBeDetached` takes a disk from the VM, forcibly or not; what has no such lun cannot be detached."""
    disks = [{"lun": lun, "createOption": "Empty", "diskSizeGB": 4} for lun in range(2)]
    put(azure, with_disks(vm_body(azure), *disks))
    marked = [{**disks[0], "toBeDetached": True, "detachOption": "ForceDetach"}, disks[1]]
    change = {"properties": {"storageProfile": {"dataDisks": marked}}}
    assert luns(arm(azure, "PATCH", vm_path(azure, "vm-1"), change)) == [1]
    assert arm(azure, "PATCH", vm_path(azure, "vm-1"), change).code == "InvalidParameter"
    states = sorted(item["properties"]["diskState"] for item in arm(azure, "GET", disk_path(azure)).body["value"])
    assert states == ["Attached", "Attached", "Unattached"]


def test_interfaces_change_while_the_vm_is_deallocated(azure: SimulatedAzure) -> None:
    """Another interface takes the place of the old one, which stays without a VM."""
    put(azure, vm_body(azure))
    old = arm(azure, "GET", vm_path(azure, "vm-1")).body["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
    new = f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces/spare"
    address = {"name": "c", "properties": {"subnet": {"id": azure.subnet_id}}}
    made = arm(azure, "PUT", new, {"location": azure.location, "properties": {"ipConfigurations": [address]}})
    assert made.status == 201
    change = {"properties": {"networkProfile": {"networkInterfaces": [{"id": new}]}}}
    assert arm(azure, "PATCH", vm_path(azure, "vm-1"), change).code == "OperationNotAllowed"
    arm(azure, "POST", vm_path(azure, "vm-1/deallocate"))
    assert arm(azure, "PATCH", vm_path(azure, "vm-1"), change).status == 200
    assert "virtualMachine" not in arm(azure, "GET", old).body["properties"]
    assert arm(azure, "GET", new).body["properties"]["virtualMachine"]["id"] == vm_path(azure, "vm-1")


def test_the_sdk_updates_a_vm(azure: SimulatedAzure) -> None:
    """Unmodified azure-mgmt-compute reads, changes and puts; and patches."""
    with azure.compute() as typed:
        client: Any = typed  # its models are typed, and it takes plain objects as well
        name = azure.resource_group
        client.virtual_machines.begin_create_or_update(name, "vm-1", vm_body(azure)).result()
        vm = client.virtual_machines.get(name, "vm-1")
        vm.tags = {"a": "b"}
        assert client.virtual_machines.begin_create_or_update(name, "vm-1", vm).result().tags == {"a": "b"}
        change = {"properties": {"licenseType": "None"}}
        assert client.virtual_machines.begin_update(name, "vm-1", change).result().properties.license_type == "None"
