"""Resource groups, resources of all types, and what stands above: subscriptions, tenants, regions, providers, the cloud."""

from __future__ import annotations

import pytest

from tests.simulator.raw import arm, ask, vm_path
from tests.support.simulated_azure import SUBSCRIPTION, SimulatedAzure, vm_body

SUB = f"/subscriptions/{SUBSCRIPTION}"
NEW = f"{SUB}/resourcegroups/new"


def daemon(azure: SimulatedAzure) -> dict[str, str]:
    """Who has a role in one resource group and two subnets."""
    return {"client": azure.client_id, "secret": azure.secret_file.read_text()}


def test_a_group_is_made_changed_and_found(azure: SimulatedAzure) -> None:
    """PUT makes (201) and changes (200), PATCH changes tags, HEAD tells whether it is there, the list finds it by tag."""
    assert arm(azure, "HEAD", NEW).status == 404
    body = {"location": "West Europe", "tags": {"for": "tests"}}
    made = arm(azure, "PUT", NEW, body)
    assert (made.status, made.body["location"], made.body["properties"]) == (
        201,
        "westeurope",
        {"provisioningState": "Succeeded"},
    )
    assert arm(azure, "PUT", NEW, body).status == 200
    assert arm(azure, "PATCH", NEW, {"tags": {"for": "others"}}).body["tags"] == {"for": "others"}
    assert arm(azure, "HEAD", NEW).status == 204
    tagged = arm(azure, "GET", f"{SUB}/resourcegroups?$filter=tagName%20eq%20'for'%20and%20tagValue%20eq%20'others'")
    assert [group["name"] for group in tagged.body["value"]] == ["new"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (NEW, {}, 400, "LocationRequired"),
        (NEW, {"location": "atlantis"}, 400, "LocationNotAvailableForResourceGroup"),
        (f"{SUB}/resourcegroups/net", {"location": "northeurope"}, 409, "InvalidResourceGroupLocation"),
        (f"{SUB}/resourcegroups/ends.", {"location": "westeurope"}, 400, "InvalidResourceGroupName"),
        (NEW, {"location": "westeurope", "tags": {"a": 1}}, 400, "InvalidRequestContent"),
    ],
)
def test_groups_that_are_refused(azure: SimulatedAzure, path: str, body: object, status: int, code: str) -> None:
    """No location, one that is not there, another than it has, a bad name: each with its code, and nothing is made."""
    answer = arm(azure, "PUT", path, body)
    assert (answer.status, answer.code) == (status, code)
    assert arm(azure, "HEAD", NEW).status == 404


@pytest.mark.parametrize("region", ["eastus", "West US 2"])
def test_all_regions_of_azure_may_be_used(azure: SimulatedAzure, region: str) -> None:
    """Groups, networks and interfaces can be made where the estate has nothing, as the list of regions promises."""
    assert arm(azure, "PUT", NEW, {"location": region}).status == 201
    network = f"{NEW}/providers/Microsoft.Network/virtualNetworks/away"
    subnets = [{"name": "default", "properties": {"addressPrefix": "10.77.0.0/24"}}]
    space = {"addressSpace": {"addressPrefixes": ["10.77.0.0/16"]}, "subnets": subnets}
    assert arm(azure, "PUT", network, {"location": region, "properties": space}).status == 201
    security = f"{NEW}/providers/Microsoft.Network/networkSecurityGroups/away"
    assert arm(azure, "PUT", security, {"location": region}).status == 201
    provider = arm(azure, "GET", f"{SUB}/providers/Microsoft.Network").body["resourceTypes"]
    assert all("East US" in kind["locations"] for kind in provider)


def test_a_group_goes_with_all_that_is_in_it(slow_azure: SimulatedAzure) -> None:
    """202 and a place to ask at; VMs first; meanwhile nothing new is taken; then group, interfaces and disks are gone."""
    for number in range(3):
        assert arm(slow_azure, "PUT", vm_path(slow_azure, f"v{number}"), vm_body(slow_azure, f"v{number}")).status == 201
    slow_azure.advance(60)
    begun = arm(slow_azure, "DELETE", slow_azure.group_path)
    place = begun.headers["Location"].removeprefix(slow_azure.endpoint).partition("?")[0]
    assert (begun.status, arm(slow_azure, "GET", place).status) == (202, 202)
    assert arm(slow_azure, "GET", slow_azure.group_path).body["properties"] == {"provisioningState": "Deleting"}
    assert arm(slow_azure, "PUT", vm_path(slow_azure, "late"), vm_body(slow_azure)).code == "ResourceGroupBeingDeleted"
    slow_azure.advance(120)
    assert arm(slow_azure, "GET", place).status == 200
    assert arm(slow_azure, "HEAD", slow_azure.group_path).status == 404
    assert slow_azure.vms() == []
    assert arm(slow_azure, "GET", f"{SUB}/providers/Microsoft.Network/networkInterfaces").body["value"] == []
    subnet = arm(slow_azure, "GET", slow_azure.subnet_id).body["properties"]
    assert "ipConfigurations" not in subnet


def test_a_group_whose_network_is_used_elsewhere_stays(azure: SimulatedAzure) -> None:
    """A VM of another group in its network: the deletion ends with a conflict, and the group is there as before."""
    arm(azure, "PUT", vm_path(azure, "v1"), vm_body(azure))
    begun = arm(azure, "DELETE", f"{SUB}/resourcegroups/net")
    place = begun.headers["Location"].removeprefix(azure.endpoint).partition("?")[0]
    ended = arm(azure, "GET", place)
    assert (ended.status, ended.code) == (409, "ResourceGroupDeletionBlocked")
    assert arm(azure, "GET", f"{SUB}/resourcegroups/net").body["properties"] == {"provisioningState": "Succeeded"}


def test_resources_of_all_types_and_their_filters(azure: SimulatedAzure) -> None:
    """A list has VM, disk, interface and identity; filters by type, name and tag; found by tag they are shown without tags."""
    arm(azure, "PUT", vm_path(azure, "v1"), vm_body(azure, top={"tags": {"job": "7"}}))
    path = f"{azure.group_path}/resources"

    def types(query: str = "") -> list[str]:
        return [item["type"].rpartition("/")[2] for item in arm(azure, "GET", path + query).body["value"]]

    assert sorted(types()) == ["disks", "networkInterfaces", "userAssignedIdentities", "virtualMachines"]
    assert types("?$filter=resourceType%20eq%20'microsoft.compute/disks'") == ["disks"]
    assert types("?$filter=substringof('v1',name)%20and%20resourceType%20eq%20'Microsoft.Compute/virtualMachines'") == [
        "virtualMachines"
    ]
    tagged = arm(azure, "GET", path + "?$filter=tagName%20eq%20'job'%20and%20tagValue%20eq%20'7'").body["value"]
    assert ("v1", False) in [(item["name"], "tags" in item) for item in tagged]
    assert arm(azure, "GET", path + "?$filter=tagName%20eq%20'job'%20and%20tagValue%20eq%20'8'").body["value"] == []
    assert len(types("?$top=1")) == 1
    everywhere = arm(azure, "GET", f"{SUB}/resources?$filter=resourceType%20eq%20'Microsoft.Network/virtualNetworks'")
    assert [item["name"] for item in everywhere.body["value"]] == ["vnet"]
    assert arm(azure, "GET", path + "?$filter=colour%20eq%20'blue'").code == "InvalidFilterInQueryString"


def test_lists_show_what_one_has_a_role_in(azure: SimulatedAzure) -> None:
    """Who has a role in one group sees the subscription and that group; who has none sees nothing."""
    mine = arm(azure, "GET", f"{SUB}/resourcegroups", **daemon(azure)).body["value"]
    assert [group["name"] for group in mine] == ["slurm-burst", "net"]
    assert [item["subscriptionId"] for item in arm(azure, "GET", "/subscriptions", **daemon(azure)).body["value"]] == [
        SUBSCRIPTION
    ]
    assert arm(azure, "GET", SUB, **daemon(azure)).code == "AuthorizationFailed"


def test_subscriptions_tenants_and_regions(azure: SimulatedAzure) -> None:
    """The shapes that clients need at their first login, with the members that Microsoft's OpenAPI marks required."""
    subscriptions = arm(azure, "GET", "/subscriptions").body
    assert (subscriptions["value"][0]["tenantId"], subscriptions["nextLink"]) == (azure.tenant, "")
    assert arm(azure, "GET", "/tenants").body["value"][0]["tenantId"] == azure.tenant
    regions = {item["name"]: item for item in arm(azure, "GET", f"{SUB}/locations").body["value"]}
    assert (regions["westeurope"]["displayName"], regions["eastus2"]["displayName"]) == ("West Europe", "East US 2")
    assert [zone["logicalZone"] for zone in regions["westeurope"]["availabilityZoneMappings"]] == ["1", "2", "3"]


def test_providers_are_registered(azure: SimulatedAzure) -> None:
    """Providers tell their types; registering one is 200; another namespace is not there."""
    provider = arm(azure, "GET", f"{SUB}/providers/microsoft.compute").body
    types = {item["resourceType"]: item for item in provider["resourceTypes"]}
    assert (provider["registrationState"], "2024-07-01" in types["virtualMachines"]["apiVersions"]) == ("Registered", True)
    assert "virtualNetworks/subnets" in {
        item["resourceType"] for item in arm(azure, "GET", f"{SUB}/providers/Microsoft.Network").body["resourceTypes"]
    }
    assert arm(azure, "POST", f"{SUB}/providers/Microsoft.Network/register").body["registrationState"] == "Registered"
    assert arm(azure, "GET", f"{SUB}/providers/Microsoft.Nothing").code == "InvalidResourceNamespace"
    assert "Microsoft.Compute" in {item["namespace"] for item in arm(azure, "GET", f"{SUB}/providers").body["value"]}


@pytest.mark.parametrize("version", ["2019-05-01", "2020-09-01", "2022-09-01"])
def test_the_cloud_describes_itself(azure: SimulatedAzure, version: str) -> None:
    """Without a token: one cloud since 2022-09-01, a list of clouds before, with the address that was asked."""
    answer = ask(azure.endpoint, "GET", f"/metadata/endpoints?api-version={version}", ca_file=azure.ca_file)
    cloud = answer.body if version == "2022-09-01" else answer.body[0]
    assert cloud["resourceManager"] == f"{azure.endpoint}/"
    assert cloud["authentication"]["loginEndpoint"] == azure.endpoint
    assert cloud["authentication"]["audiences"][0] == f"{azure.endpoint}/"


def test_the_cloud_wants_a_version(azure: SimulatedAzure) -> None:
    """Without an api-version there is no answer; the oldest shape is another."""
    assert ask(azure.endpoint, "GET", "/metadata/endpoints", ca_file=azure.ca_file).code == "MissingApiVersionParameter"
    first = ask(azure.endpoint, "GET", "/metadata/endpoints?api-version=2015-01-01", ca_file=azure.ca_file).body
    assert first["authentication"]["loginEndpoint"] == f"{azure.endpoint}/"
