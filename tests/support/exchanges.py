"""Builders of recorded exchanges, as the simulator's --record writes them: good ones, for tests to take or to spoil."""

from __future__ import annotations

import copy
from typing import Any

from tests.contracts.openapi import Exchange

SUBSCRIPTION = "/subscriptions/7e571e57-0000-4000-8000-00000000b001"
GROUP = f"{SUBSCRIPTION}/resourceGroups/slurm-burst"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
VM = f"{COMPUTE}/virtualMachines/az-1-k3f9"
SDK = "azsdk-python-mgmt-compute/39.0.0 Python/3.11.7"

_INTERFACE = {
    "name": "nic0",
    "tags": {"cluster": "c"},
    "properties": {
        "primary": True,
        "deleteOption": "Delete",
        "enableAcceleratedNetworking": True,
        "ipConfigurations": [
            {
                "name": "ipc0",
                "properties": {
                    "primary": True,
                    "subnet": {"id": f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/s"},
                },
            }
        ],
    },
}
_KEY = {"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAAC3Nz test"}


def an_exchange(method: str, path: str, status: int, **changes: Any) -> Exchange:
    """An exchange without bodies; `changes` are its other members. The request is the SDK's."""
    exchange: Exchange = {
        "operation": "",
        "method": method,
        "path": path,
        "query": {"api-version": "2026-04-01"},
        "headers": {"User-Agent": SDK},
        "body": None,
        "status": status,
        "reply_headers": {"x-ms-request-id": "1"},
        "reply": None,
        "raw": False,
    }
    return exchange | changes


def a_vm_body() -> dict[str, Any]:
    """The body of a create call with most of what a cluster node may have."""
    return {
        "location": "westeurope",
        "tags": {"cluster": "c"},
        "zones": ["1"],
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {f"{GROUP}/providers/x/slurm-nodes": {}}},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
            "priority": "Spot",
            "evictionPolicy": "Delete",
            "billingProfile": {"maxPrice": -1},
            "userData": "dXNlcg==",
            "securityProfile": {"securityType": "Standard", "encryptionAtHost": True},
            "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
            "storageProfile": {
                "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "latest"},
                "osDisk": {
                    "createOption": "FromImage",
                    "deleteOption": "Delete",
                    "diskSizeGB": 30,
                    "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
                },
                "dataDisks": [{"lun": 0, "createOption": "Empty", "diskSizeGB": 8}],
            },
            "osProfile": {
                "computerName": "az-1",
                "adminUsername": "azureuser",
                "customData": "Y3VzdG9t",
                "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [_KEY]}},
            },
            "networkProfile": {
                "networkApiVersion": "2020-11-01",
                "networkInterfaceConfigurations": [copy.deepcopy(_INTERFACE)],
            },
        },
    }


def a_vm() -> dict[str, Any]:
    """The same VM as Azure shows it."""
    shown = a_vm_body()
    properties = shown["properties"]
    del properties["userData"], properties["osProfile"]["customData"]
    interface = {"id": f"{GROUP}/providers/Microsoft.Network/networkInterfaces/nic0-1", "properties": {"primary": True}}
    properties["networkProfile"] = {"networkInterfaces": [interface]}
    properties |= {"provisioningState": "Creating", "vmId": "1", "timeCreated": "2026-11-21T07:00:00.1234567+00:00"}
    kind = "Microsoft.Compute/virtualMachines"
    return shown | {"id": VM, "name": "az-1-k3f9", "type": kind, "etag": '"1"'}


def a_create() -> Exchange:
    """A VM is asked for, and begins to be made."""
    operation = f"https://management.azure.com{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/operations/1"
    return an_exchange(
        "PUT",
        VM,
        201,
        operation="VirtualMachines_CreateOrUpdate",
        headers={"User-Agent": SDK, "Content-Type": "application/json", "If-None-Match": "*"},
        body=a_vm_body(),
        reply_headers={"x-ms-request-id": "1", "Azure-AsyncOperation": operation, "Retry-After": "10"},
        reply=a_vm(),
    )


def a_list() -> Exchange:
    """A page of VMs."""
    reply = {"value": [a_vm(), a_vm()], "nextLink": f"https://management.azure.com{COMPUTE}/virtualMachines?$skiptoken=x"}
    return an_exchange("GET", f"{COMPUTE}/virtualMachines", 200, operation="VirtualMachines_List", reply=reply)


def an_update() -> Exchange:
    """Tags of a VM are changed."""
    headers = {"User-Agent": SDK, "Content-Type": "application/json"}
    return an_exchange("PATCH", VM, 200, headers=headers, body={"tags": {"a": "b"}}, reply=a_vm())


def a_delete() -> Exchange:
    """A VM is to go."""
    where = {"Location": "https://management.azure.com/operation", "x-ms-request-id": "1"}
    return an_exchange("DELETE", VM, 202, query={"api-version": "2026-04-01", "forceDeletion": "true"}, reply_headers=where)


def a_refusal(status: int = 409, code: str = "OperationNotAllowed") -> Exchange:
    """A VM is asked for in vain."""
    error = {"code": code, "message": "words", "target": "t", "details": [{"code": "c", "message": "m"}]}
    return a_create() | {"status": status, "reply_headers": {"x-ms-request-id": "1"}, "reply": {"error": error}}


def a_throttling() -> Exchange:
    """Compute has had enough of lists; its 429 has no `error` around it."""
    details = [{"code": "TooManyRequests", "target": "HighCostGet", "message": "{}"}]
    headers = {
        "x-ms-request-id": "1",
        "Retry-After": "1200",
        "x-ms-ratelimit-remaining-resource": "Microsoft.Compute/HighCostGet;0",
    }
    reply = {"code": "OperationNotAllowed", "message": "too many", "details": details}
    return a_list() | {"status": 429, "reply_headers": headers, "reply": reply}


def an_operation(status: str = "InProgress", **members: Any) -> Exchange:
    """The status of an asynchronous operation."""
    path = f"{SUBSCRIPTION}/providers/Microsoft.Compute/locations/westeurope/operations/1"
    reply = {"name": "1", "status": status, "startTime": "2026-11-21T07:00:00+00:00"}
    return an_exchange("GET", path, 200, operation="Operations_Get", reply=reply | members)
