"""Virtual networks, subnets, interfaces with an address of the caller's choice, security groups, public addresses."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import SUBSCRIPTION, SimulatedAzure, vm_body

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/slurm-burst"
NETWORK = f"{GROUP}/providers/Microsoft.Network"


def network(azure: SimulatedAzure, *subnets: tuple[str, str], prefix: str = "10.9.0.0/16") -> Answer:
    """Make a virtual network `n` with these subnets."""
    bodies = [{"name": name, "properties": {"addressPrefix": one}} for name, one in subnets]
    properties = {"addressSpace": {"addressPrefixes": [prefix]}, "subnets": bodies}
    return arm(azure, "PUT", f"{NETWORK}/virtualNetworks/n", {"location": "westeurope", "properties": properties})


def interface(azure: SimulatedAzure, name: str, subnet: str, address: str | None = None, **properties: Any) -> Answer:
    """Make or change an interface in a subnet of `n`, with an address or with whatever is free."""
    wanted: dict[str, Any] = {"subnet": {"id": f"{NETWORK}/virtualNetworks/n/subnets/{subnet}"}}
    if address is not None:
        wanted |= {"privateIPAllocationMethod": "Static", "privateIPAddress": address}
    body = {"location": "westeurope", "properties": {"ipConfigurations": [{"name": "c", "properties": wanted}], **properties}}
    return arm(azure, "PUT", f"{NETWORK}/networkInterfaces/{name}", body)


def address_of(answer: Answer) -> str:
    """The address of an interface."""
    found: str = answer.body["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
    return found


def test_a_network_is_made_changed_and_deleted(azure: SimulatedAzure) -> None:
    """201, 200, listed, tagged, 202 and 204; a subnet that is left out of a later PUT is gone."""
    made = network(azure, ("a", "10.9.0.0/24"), ("b", "10.9.1.0/24"))
    assert (made.status, made.body["properties"]["provisioningState"]) == (201, "Succeeded")
    assert [subnet["name"] for subnet in made.body["properties"]["subnets"]] == ["a", "b"]
    assert network(azure, ("a", "10.9.0.0/24")).status == 200
    assert arm(azure, "GET", f"{NETWORK}/virtualNetworks/n/subnets/b").code == "NotFound"
    assert [one["name"] for one in arm(azure, "GET", f"{NETWORK}/virtualNetworks").body["value"]] == ["n"]
    assert arm(azure, "PATCH", f"{NETWORK}/virtualNetworks/n", {"tags": {"a": "b"}}).body["tags"] == {"a": "b"}
    assert [arm(azure, "DELETE", f"{NETWORK}/virtualNetworks/n").status for _ in range(2)] == [202, 204]


def test_a_vm_can_use_a_network_made_at_run_time(azure: SimulatedAzure) -> None:
    """A VM in a new subnet has its first free address, the fifth of the prefix."""
    network(azure, ("a", "10.9.0.0/24"))
    body = vm_body(azure)
    configuration = body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]
    configuration["ipConfigurations"][0]["properties"]["subnet"]["id"] = f"{NETWORK}/virtualNetworks/n/subnets/a"
    assert arm(azure, "PUT", vm_path(azure, "v1"), body).status == 201
    assert azure.vms()[0]["ip"] == "10.9.0.4"


@pytest.mark.parametrize(
    ("subnets", "code"),
    [
        ((("a", "10.8.0.0/24"),), "NetcfgInvalidSubnet"),
        ((("a", "10.9.0.0/24"), ("b", "10.9.0.128/25")), "NetcfgSubnetRangesOverlap"),
        ((("a", "10.9.0.1/24"),), "InvalidAddressPrefixFormat"),
    ],
)
def test_networks_that_are_refused(azure: SimulatedAzure, subnets: tuple[tuple[str, str], ...], code: str) -> None:
    """A subnet outside its network, over another, or badly written: 400, and there is no network."""
    refused = network(azure, *subnets)
    assert (refused.status, refused.code) == (400, code)
    assert arm(azure, "GET", f"{NETWORK}/virtualNetworks/n").status == 404


def test_subnets_by_themselves(azure: SimulatedAzure) -> None:
    """A subnet is made, changed and deleted on its own path; in use it keeps its prefix and stays."""
    network(azure)
    path = f"{NETWORK}/virtualNetworks/n/subnets/a"
    assert arm(azure, "PUT", path, {"properties": {"addressPrefix": "10.9.0.0/24"}}).status == 201
    assert address_of(interface(azure, "i", "a")) == "10.9.0.4"
    assert (
        arm(azure, "PUT", path, {"properties": {"addressPrefix": "10.9.0.0/24", "defaultOutboundAccess": False}}).status == 200
    )
    assert arm(azure, "GET", path).body["properties"]["defaultOutboundAccess"] is False
    assert arm(azure, "PUT", path, {"properties": {"addressPrefix": "10.9.2.0/24"}}).code == "InUsePrefixCannotBeDeleted"
    assert arm(azure, "DELETE", path).code == "InUseSubnetCannotBeDeleted"
    assert network(azure).code == "InUseSubnetCannotBeDeleted"
    arm(azure, "DELETE", f"{NETWORK}/networkInterfaces/i")
    assert [arm(azure, "DELETE", path).status for _ in range(2)] == [202, 204]


def test_an_address_of_ones_choice(azure: SimulatedAzure) -> None:
    """A static address is taken, kept from the dynamic ones, refused to a second interface, and free again after a delete."""
    network(azure, ("a", "10.9.0.0/24"))
    chosen = interface(azure, "one", "a", "10.9.0.5")
    assert (chosen.status, address_of(chosen)) == (201, "10.9.0.5")
    assert chosen.body["properties"]["ipConfigurations"][0]["properties"]["privateIPAllocationMethod"] == "Static"
    assert [address_of(interface(azure, name, "a")) for name in ("two", "three")] == ["10.9.0.4", "10.9.0.6"]
    taken = interface(azure, "four", "a", "10.9.0.5")
    assert (taken.status, taken.code) == (400, "PrivateIPAddressIsAllocated")
    assert f"{NETWORK}/networkInterfaces/one" in taken.body["error"]["message"]
    arm(azure, "DELETE", f"{NETWORK}/networkInterfaces/one")
    assert address_of(interface(azure, "four", "a", "10.9.0.5")) == "10.9.0.5"


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("10.9.0.1", "PrivateIPAddressInReservedRange"),
        ("10.9.0.255", "PrivateIPAddressInReservedRange"),
        ("10.9.1.4", "PrivateIPAddressNotInSubnet"),
        ("here", "InvalidIPAddressFormat"),
    ],
)
def test_addresses_that_are_refused(azure: SimulatedAzure, address: str, code: str) -> None:
    """One that Azure keeps, one of another subnet, none at all: 400, and there is no interface."""
    network(azure, ("a", "10.9.0.0/24"))
    refused = interface(azure, "i", "a", address)
    assert (refused.status, refused.code) == (400, code)
    assert arm(azure, "GET", f"{NETWORK}/networkInterfaces/i").status == 404


def test_an_interface_changes_its_address(azure: SimulatedAzure) -> None:
    """A dynamic address stays while the interface does; another can be chosen, and the old one is free then."""
    network(azure, ("a", "10.9.0.0/29"))
    assert address_of(interface(azure, "i", "a")) == "10.9.0.4"
    again = interface(azure, "i", "a", enableIPForwarding=True)
    assert (again.status, address_of(again), again.body["properties"]["enableIPForwarding"]) == (200, "10.9.0.4", True)
    assert address_of(interface(azure, "i", "a", "10.9.0.6")) == "10.9.0.6"
    assert [address_of(interface(azure, name, "a")) for name in ("j", "k")] == ["10.9.0.4", "10.9.0.5"]
    assert interface(azure, "l", "a").code == "SubnetIsFull"
    subnet = arm(azure, "GET", f"{NETWORK}/virtualNetworks/n/subnets/a").body["properties"]
    assert len(subnet["ipConfigurations"]) == 3


def test_a_block_of_addresses_beside_the_first(azure: SimulatedAzure) -> None:
    """As in Microsoft's example: a second configuration with a prefix length alone has an aligned block of the same subnet,
    which others do not get an address from, and which is free again afterwards."""
    path = f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces/blocks"
    gateway = {"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/loadBalancers/l/frontendIPConfigurations/f"}
    primary = {"name": "one", "properties": {"subnet": {"id": azure.subnet_id}, "gatewayLoadBalancer": gateway}}
    block = {"name": "two", "properties": {"privateIPAddressPrefixLength": 28}}
    body = {"location": "westeurope", "properties": {"ipConfigurations": [primary, block]}}
    for _ in range(2):
        shown = arm(azure, "PUT", path, body).body["properties"]["ipConfigurations"][1]["properties"]
        assert (shown["privateIPAddress"], shown["privateIPAddressPrefixLength"]) == ("127.66.0.16/28", 28)
        assert shown["subnet"]["id"] == azure.subnet_id
    assert arm(azure, "GET", path).body["properties"]["ipConfigurations"][0]["properties"]["gatewayLoadBalancer"] == gateway
    others = [arm(azure, "PUT", f"{path}{n}", body | {"properties": {"ipConfigurations": [primary]}}).body for n in range(20)]
    taken = [nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] for nic in others]
    assert taken == [f"127.66.0.{n}" for n in (*range(5, 16), *range(32, 41))]
    assert arm(azure, "DELETE", path).status == 202
    again = body | {"properties": {"ipConfigurations": [primary, block]}}
    assert arm(azure, "PUT", path, again).status == 201
    refused = arm(azure, "PUT", path + "x", body | {"properties": {"ipConfigurations": [block]}})
    assert (refused.status, refused.code) == (400, "SubnetIsRequired")
    whole = {"name": "one", "properties": {"subnet": {"id": azure.subnet_id}, "privateIPAddressPrefixLength": 28}}
    refused = arm(azure, "PUT", path + "x", body | {"properties": {"ipConfigurations": [whole]}})
    assert (refused.status, refused.code) == (400, "InvalidRequestFormat")


def test_a_vm_takes_an_interface_with_a_static_address(azure: SimulatedAzure) -> None:
    """What an inline interface cannot have: the address is the VM's, and the interface stays after it."""
    network(azure, ("a", "10.9.0.0/24"))
    nic = interface(azure, "i", "a", "10.9.0.77").body["id"]
    body = vm_body(azure, networkProfile={"networkInterfaces": [{"id": nic}]})
    assert arm(azure, "PUT", vm_path(azure, "v1"), body).status == 201
    assert azure.vms()[0]["ip"] == "10.9.0.77"
    assert interface(azure, "i", "a", "10.9.0.78").status == 501
    arm(azure, "DELETE", vm_path(azure, "v1"))
    assert address_of(arm(azure, "GET", nic)) == "10.9.0.77"


def test_a_security_group_has_azures_own_rules_and_stays_while_used(azure: SimulatedAzure) -> None:
    """Rules as sent beside the six default ones; a rule without what it needs is refused; in use it is not deleted."""
    path = f"{NETWORK}/networkSecurityGroups/g"
    rule = {"protocol": "*", "access": "Allow", "priority": 130, "direction": "Inbound", "destinationPortRange": "80"}
    body = {"location": "westeurope", "properties": {"securityRules": [{"name": "web", "properties": rule}]}}
    made = arm(azure, "PUT", path, body)
    assert (made.status, len(made.body["properties"]["defaultSecurityRules"])) == (201, 6)
    assert made.body["properties"]["securityRules"][0]["id"] == f"{path}/securityRules/web"
    del rule["priority"]
    assert arm(azure, "PUT", path, body).code == "InvalidRequestContent"
    network(azure, ("a", "10.9.0.0/24"))
    assert interface(azure, "i", "a", networkSecurityGroup={"id": path}).status == 201
    assert arm(azure, "GET", path).body["properties"]["networkInterfaces"] == [{"id": f"{NETWORK}/networkInterfaces/i"}]
    assert arm(azure, "DELETE", path).code == "InUseNetworkSecurityGroupCannotBeDeleted"
    arm(azure, "DELETE", f"{NETWORK}/networkInterfaces/i")
    assert [arm(azure, "DELETE", path).status for _ in range(2)] == [202, 204]


def test_a_public_address_shows_who_has_it(azure: SimulatedAzure) -> None:
    """A standard one has an address at once; with an interface it names it, and cannot be deleted."""
    path = f"{NETWORK}/publicIPAddresses/p"
    made = arm(azure, "PUT", path, {"location": "westeurope", "sku": {"name": "Standard"}, "properties": {}})
    assert (made.status, made.body["properties"]["publicIPAllocationMethod"]) == (201, "Static")
    assert made.body["properties"]["ipAddress"].startswith("198.1")
    network(azure, ("a", "10.9.0.0/24"))
    subnet = {"id": f"{NETWORK}/virtualNetworks/n/subnets/a"}
    configurations = [{"name": "c", "properties": {"subnet": subnet, "publicIPAddress": {"id": path}}}]
    body = {"location": "westeurope", "properties": {"ipConfigurations": configurations}}
    assert arm(azure, "PUT", f"{NETWORK}/networkInterfaces/i", body).status == 201
    assert (
        arm(azure, "GET", path).body["properties"]["ipConfiguration"]["id"].endswith("networkInterfaces/i/ipConfigurations/c")
    )
    assert arm(azure, "DELETE", path).code == "PublicIPAddressCannotBeDeleted"


def test_what_an_interface_names_has_to_be_there(azure: SimulatedAzure) -> None:
    """Subnet, security group: what is not there is named in the refusal."""
    network(azure, ("a", "10.9.0.0/24"))
    assert interface(azure, "i", "absent").code == "InvalidResourceReference"
    assert interface(azure, "i", "a", networkSecurityGroup={"id": f"{NETWORK}/networkSecurityGroups/x"}).code == (
        "InvalidResourceReference"
    )
    none = arm(azure, "PUT", f"{NETWORK}/networkInterfaces/i", {"location": "westeurope", "properties": {}})
    assert none.status == 400


@pytest.mark.parametrize("kind", ["virtualNetworks", "networkSecurityGroups", "publicIPAddresses", "networkInterfaces"])
def test_each_kind_is_listed_and_tagged(azure: SimulatedAzure, kind: str) -> None:
    """In its group and in its subscription each is listed as it is shown alone, with the tags it was given last."""
    network(azure, ("a", "10.9.0.0/24"))
    address = {"properties": {"subnet": {"id": f"{NETWORK}/virtualNetworks/n/subnets/a"}}, "name": "c"}
    space = {
        "addressSpace": {"addressPrefixes": ["10.9.0.0/16"]},
        "subnets": [{"name": "a", "properties": {"addressPrefix": "10.9.0.0/24"}}],
    }
    properties = {"networkInterfaces": {"ipConfigurations": [address]}, "virtualNetworks": space}.get(kind, {})
    path = f"{NETWORK}/{kind}/n"
    assert arm(azure, "PUT", path, {"location": "westeurope", "properties": properties}).status in (200, 201)
    assert arm(azure, "PATCH", path, {"tags": {"a": "b"}}).body["tags"] == {"a": "b"}
    alone = arm(azure, "GET", path).body
    assert arm(azure, "GET", f"{NETWORK}/{kind}").body["value"] == [alone]
    everywhere = arm(azure, "GET", f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Network/{kind}").body["value"]
    assert alone in everywhere


def test_a_subnet_shows_its_prefix_in_the_form_it_was_sent(azure: SimulatedAzure) -> None:
    """A list of prefixes stays a list, as in Microsoft's example VirtualNetworkCreateSubnetWithAddressPrefixes."""
    path = f"{azure.group_path}/providers/Microsoft.Network/virtualNetworks/listed"
    subnets = [{"name": "s", "properties": {"addressPrefixes": ["10.0.0.0/28"]}}]
    space = {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "subnets": subnets}
    shown = arm(azure, "PUT", path, {"location": "westeurope", "properties": space}).body["properties"]["subnets"][0]
    assert shown["properties"]["addressPrefixes"] == ["10.0.0.0/28"]
    assert "addressPrefix" not in shown["properties"]


def test_the_subnets_of_a_network_are_listed(azure: SimulatedAzure) -> None:
    """In the order in which they were given."""
    network(azure, ("b", "10.9.1.0/24"), ("a", "10.9.0.0/24"))
    listed = arm(azure, "GET", f"{NETWORK}/virtualNetworks/n/subnets").body["value"]
    assert [subnet["name"] for subnet in listed] == ["b", "a"]
