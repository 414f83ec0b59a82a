"""What stands around VMs, built up and taken down by Microsoft's other SDKs, which know nothing of this product's habits."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from azure.keyvault.secrets import SecretClient
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.resources import ResourceManagementClient
from requests.adapters import HTTPAdapter

from tests.simulator.raw import arm, ask, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body


class Clients:
    """One client of each of Microsoft's packages, all of the same owner."""

    def __init__(self, azure: SimulatedAzure, stack: ExitStack) -> None:
        self._azure = azure
        self._stack = stack
        self.compute: Any = stack.enter_context(azure.compute())
        self.network: Any = self._make(NetworkManagementClient)
        self.resources: Any = self._make(ResourceManagementClient)
        self.authorization: Any = self._make(AuthorizationManagementClient)

    def _make(self, kind: Any) -> Any:
        azure = self._azure
        client = kind(
            self._stack.enter_context(azure.credential()),
            azure.subscription,
            base_url=azure.endpoint,
            credential_scopes=[f"{azure.endpoint}/.default"],
            transport=RequestsTransport(connection_verify=azure.ca_file),
            polling_interval=0,
            retry_total=0,
        )
        return self._stack.enter_context(client)


@pytest.fixture
def clients(azure: SimulatedAzure) -> Iterator[Clients]:
    with ExitStack() as stack:
        yield Clients(azure, stack)


def test_a_site_from_nothing(azure: SimulatedAzure, clients: Clients) -> None:
    """Resource group, network, subnet, security group, interface and a VM on it; and all of it is gone with the group."""
    where = {"location": azure.location}
    clients.resources.resource_groups.create_or_update("fresh", where | {"tags": {"a": "1"}})
    network = clients.network.virtual_networks.begin_create_or_update(
        "fresh", "vnet", where | {"properties": {"addressSpace": {"addressPrefixes": ["127.70.0.0/16"]}}}
    ).result()
    assert network.address_space.address_prefixes == ["127.70.0.0/16"]
    rules = clients.network.network_security_groups.begin_create_or_update("fresh", "rules", where).result()
    subnet = clients.network.subnets.begin_create_or_update(
        "fresh", "vnet", "inner", {"properties": {"addressPrefix": "127.70.1.0/24", "networkSecurityGroup": {"id": rules.id}}}
    ).result()
    address = {"name": "ip", "properties": {"subnet": {"id": subnet.id}, "privateIPAllocationMethod": "Dynamic"}}
    interface = clients.network.network_interfaces.begin_create_or_update(
        "fresh", "nic", where | {"properties": {"ipConfigurations": [address]}}
    ).result()
    assert interface.ip_configurations[0].private_ip_address == "127.70.1.4"
    body = vm_body(azure, networkProfile={"networkInterfaces": [{"id": interface.id}]})
    vm = clients.compute.virtual_machines.begin_create_or_update("fresh", "vm1", body).result()
    assert clients.network.network_interfaces.get("fresh", "nic").virtual_machine.id.lower() == vm.id.lower()
    kinds = {item.type.lower() for item in clients.resources.resources.list_by_resource_group("fresh")}
    assert {"microsoft.compute/virtualmachines", "microsoft.network/networkinterfaces"} <= kinds
    clients.resources.resource_groups.begin_delete("fresh").result()
    assert not clients.resources.resource_groups.check_existence("fresh")
    assert [vm.name for vm in clients.compute.virtual_machines.list_all()] == []


def test_an_interface_of_its_own_outlives_its_vm(azure: SimulatedAzure, clients: Clients) -> None:
    """A detached interface stays, and cannot be deleted while a VM has it."""
    address = {"name": "ip", "properties": {"subnet": {"id": azure.subnet_id}}}
    group = azure.resource_group
    interface = clients.network.network_interfaces.begin_create_or_update(
        group, "nic", {"location": azure.location, "properties": {"ipConfigurations": [address]}}
    ).result()
    body = vm_body(azure, networkProfile={"networkInterfaces": [{"id": interface.id}]})
    clients.compute.virtual_machines.begin_create_or_update(group, "vm1", body).result()
    with pytest.raises(Exception, match="NicInUse"):
        clients.network.network_interfaces.begin_delete(group, "nic").result()
    clients.compute.virtual_machines.begin_delete(group, "vm1").result()
    assert [nic.name for nic in clients.network.network_interfaces.list(group)] == ["nic"]
    clients.network.network_interfaces.begin_delete(group, "nic").result()
    assert list(clients.network.network_interfaces.list_all()) == []


def test_roles(azure: SimulatedAzure, clients: Clients) -> None:
    """A role definition and an assignment are made, read, listed and taken away."""
    scope = f"/subscriptions/{azure.subscription}"
    definitions, assignments = clients.authorization.role_definitions, clients.authorization.role_assignments
    made = definitions.create_or_update(
        scope,
        str(uuid.uuid4()),
        {
            "role_name": "starter",
            "role_type": "CustomRole",
            "permissions": [{"actions": ["Microsoft.Compute/virtualMachines/start/action"]}],
            "assignable_scopes": [scope],
        },
    )
    assert [item.id for item in definitions.list(scope, filter="roleName eq 'starter'")] == [made.id]
    someone = str(uuid.uuid4())
    given = assignments.create(
        scope,
        str(uuid.uuid4()),
        {"role_definition_id": made.id, "principal_id": someone, "principal_type": "ServicePrincipal"},
    )
    found = assignments.list_for_scope(scope, filter=f"principalId eq '{someone}'")
    assert [(item.id, item.role_definition_id) for item in found] == [(given.id, made.id)]
    assignments.delete_by_id(given.id)
    definitions.delete(scope, made.name)
    assert list(definitions.list(scope, filter="roleName eq 'starter'")) == []


class _ToSimulator(HTTPAdapter):
    """What a resolver would do: the vault's name leads to the simulator."""

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        super().__init__()

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """Send to the simulator what is meant for the vault, under the vault's name."""
        host = str(request.url).split("/")[2]
        request.headers["Host"] = host
        request.url = str(request.url).replace(f"https://{host}", self._endpoint)
        return super().send(request, *arguments, **options)


class _NodeCredential:
    """The managed identity of a VM, asked by hand."""

    def __init__(self, azure: SimulatedAzure) -> None:
        self._azure = azure

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        """A token for the resource that the vault's challenge named."""
        resource = scopes[0].removesuffix("/.default")
        path = f"/metadata/identity/oauth2/token?api-version=2018-02-01&resource={resource}"
        answer = ask(self._azure.imds, "GET", path, headers={"Metadata": "true"}, source=self._azure.vms()[0]["ip"])
        return AccessToken(answer.body["access_token"], int(answer.body["expires_on"]))


def test_key_vault(azure: SimulatedAzure) -> None:
    """azure-keyvault-secrets reads a secret as the node's identity, led by the vault's own challenge."""
    identity = {"type": "UserAssigned", "userAssignedIdentities": {azure.identity_id: {}}}
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, top={"identity": identity}))
    with requests.Session() as session:
        session.mount("https://", _ToSimulator(azure.endpoint))
        session.verify = azure.ca_file
        transport = RequestsTransport(session=session, session_owner=False, connection_verify=azure.ca_file)
        client = SecretClient("https://mycluster.vault.azure.net", _NodeCredential(azure), transport=transport)
        assert client.get_secret("munge-key").value == "bXVuZ2U="
