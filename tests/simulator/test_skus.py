"""What there is to be had: the table of sizes, the lists of SKUs and sizes, restrictions, the estate's own sizes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from slurm_azure.errors import ConfigError
from slurm_azure.simulator import offering
from slurm_azure.simulator.offering import Restriction, SizeEntry
from slurm_azure.simulator.world import skus as module
from slurm_azure.simulator.world.skus import Skus
from tests.contracts.specifications import SHARED
from tests.simulator.judged import get
from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, simulated_azure, vm_body

REAL = SHARED / "azure-data" / "skus-southcentralus.json"
EVERYWHERE = (
    "vCPUs vCPUsAvailable vCPUsPerCore MemoryGB MaxResourceVolumeMB HyperVGenerations EphemeralOSDiskSupported PremiumIO "
    "AcceleratedNetworkingEnabled RdmaEnabled LowPriorityCapable MaxDataDiskCount MaxNetworkInterfaces"
)


def listed(azure: SimulatedAzure, condition: str = "location eq 'westeurope'") -> list[dict[str, Any]]:
    """All rows of the list, page by page."""
    path = f"{skus_path(azure)}?$filter={quote(condition)}" if condition else skus_path(azure)
    found: list[dict[str, Any]] = []
    while path:
        body = get(azure, path).body
        found += body["value"]
        link = urlsplit(body.get("nextLink", ""))
        path = f"{link.path}?{link.query}" if link.path else ""
    return found


def skus_path(azure: SimulatedAzure) -> str:
    """/subscriptions/../skus."""
    return f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/skus"


def location_path(azure: SimulatedAzure, rest: str) -> str:
    """/subscriptions/../locations/.."""
    return f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/locations/{rest}"


def test_the_table_has_what_clients_look_at() -> None:
    """Some 60 current sizes and more, of all kinds, each with every capability that all of Azure's rows have, as text."""
    sizes = Skus().in_location("westeurope")
    assert len(sizes) >= 60
    for size in sizes:
        missing = set(EVERYWHERE.split()) - size.capabilities.keys()
        assert not missing, (size.name, missing)
        assert all(isinstance(value, str) for value in size.capabilities.values())
        assert size.name == f"{size.tier}_{size.size}"
    assert {size.architecture for size in sizes} == {"x64", "Arm64"}


@pytest.mark.skipif(not REAL.exists(), reason=f"Azure's own rows are not in {REAL} (set SLURM_AZURE_SHARED)")
def test_rows_of_the_api_are_shown_as_they_came() -> None:
    """Family, zones and every capability of the rows that Azure itself sent."""
    skus = Skus()
    for row in json.loads(REAL.read_text())["value"]:
        size = skus.find(row["name"])
        assert size is not None
        assert dict(size.capabilities) == {item["name"]: item["value"] for item in row["capabilities"]}
        assert (size.family, size.tier, list(size.zones)) == (row["family"], row["tier"], row["locationInfo"][0]["zones"])


def test_constrained_sizes_pay_for_the_whole_machine() -> None:
    """What a quota counts is the parent size ("this number represents the total vCPUs of quota that the VM uses")."""
    size = Skus().find("Standard_HB120-16rs_v3")
    assert size is not None
    assert (size.vcpus, size.quota_vcpus) == (16, 120)


def test_a_row_of_the_list(azure: SimulatedAzure) -> None:
    """A size in its location: members, zones and capabilities as Azure sends them, and no restriction."""
    row = next(row for row in listed(azure) if row["name"] == "Standard_NC24ads_A100_v4")
    assert row["resourceType"] == "virtualMachines"
    assert (row["tier"], row["size"], row["family"]) == ("Standard", "NC24ads_A100_v4", "StandardNCADSA100v4Family")
    assert row["locations"] == ["westeurope"]
    assert row["locationInfo"] == [{"location": "westeurope", "zones": ["1", "3"], "zoneDetails": []}]
    assert {"name": "GPUs", "value": "1"} in row["capabilities"]
    assert row["restrictions"] == []


def test_the_list_has_more_than_vms(azure: SimulatedAzure) -> None:
    """A client that does not look at resourceType takes a disk for a VM size."""
    assert {row["resourceType"] for row in listed(azure)} == {"virtualMachines", "disks", "availabilitySets"}


def test_pages_hold_each_row_once() -> None:
    """nextLink leads through all rows, and repeats none."""
    with simulated_azure(page_size=50) as azure:
        names = Counter((row["resourceType"], row["name"], row.get("size")) for row in listed(azure))
    assert len(names) > 250
    assert set(names.values()) == {1}


def test_locations(azure: SimulatedAzure) -> None:
    """Without a filter all locations of the estate; with one any region, by either of its names; none for what is no region."""
    assert {row["locations"][0] for row in listed(azure, "")} == {"westeurope", "northeurope"}
    assert {row["locations"][0] for row in listed(azure, "location eq 'West US 3'")} == {"westus3"}
    assert listed(azure, "location eq 'atlantis'") == []


def test_a_region_without_zones(azure: SimulatedAzure) -> None:
    """West US has no availability zones, so no size has any there."""
    assert {tuple(row["locationInfo"][0]["zones"]) for row in listed(azure, "location eq 'westus'") if "tier" in row} == {()}


@pytest.mark.parametrize(
    "condition", ["name eq 'Standard_A0'", "location ne 'westus'", "location eq 'a' and location eq 'b'", "x"]
)
def test_other_filters_are_refused(azure: SimulatedAzure, condition: str) -> None:
    """ "Only location filter is supported currently" (OpenAPI)."""
    answer = get(azure, f"{skus_path(azure)}?$filter={quote(condition)}")
    assert (answer.status, answer.code) == (400, "InvalidParameter")


def test_extended_locations_may_be_asked_for(azure: SimulatedAzure) -> None:
    """There are none; the question is good all the same, with true or false."""
    path = f"{skus_path(azure)}?includeExtendedLocations="
    assert [get(azure, path + value).status for value in ("true", "false", "perhaps")] == [200, 200, 400]


def test_restrictions_are_shown_and_hold() -> None:
    """A restricted location, or zone, is in the list, and a VM is refused there with Azure's words."""
    rules = [
        {"size": "Standard_HC44rs", "reason": "QuotaId"},
        {"size": "Standard_D2s_v5", "location": "westeurope", "zones": ["2"]},
    ]
    with simulated_azure(offering={"restrictions": rules}) as azure:
        rows = {row["name"]: row["restrictions"] for row in listed(azure) if row["restrictions"]}
        assert rows == {
            "Standard_HC44rs": [
                {
                    "type": "Location",
                    "values": ["westeurope"],
                    "restrictionInfo": {"locations": ["westeurope"]},
                    "reasonCode": "QuotaId",
                }
            ],
            "Standard_D2s_v5": [
                {
                    "type": "Zone",
                    "values": ["westeurope"],
                    "restrictionInfo": {"locations": ["westeurope"], "zones": ["2"]},
                    "reasonCode": "NotAvailableForSubscription",
                }
            ],
        }
        refused = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, hardwareProfile={"vmSize": "Standard_HC44rs"}))
        assert (refused.status, refused.code) == (409, "SkuNotAvailable")
        assert refused.body["error"]["message"] == (
            f"The requested size for resource '{vm_path(azure, 'vm-1')}' is currently not available in location 'westeurope' "
            f"zones '' for subscription '{azure.subscription}'. Please try another size or deploy to a different location or "
            "zones. See https://aka.ms/azureskunotavailable for details."
        )
        statuses = [
            arm(azure, "PUT", vm_path(azure, f"vm-{zone}"), vm_body(azure, top={"zones": [zone]})).status for zone in "123"
        ]
        assert statuses == [201, 409, 201]


def test_a_restriction_may_be_of_one_subscription() -> None:
    """Others have the size."""
    skus = Skus(restrictions=[Restriction("standard_d2s_V5", subscription="AAA")])
    size = skus.find("Standard_D2s_v5")
    assert size is not None
    assert [skus.restricted(size, "westeurope", who, None) for who in ("aaa", "bbb")] == [True, False]


def test_sizes_of_a_location(azure: SimulatedAzure) -> None:
    """The older list: cores as quotas count them, MiB of memory and disks."""
    rows = {row["name"]: row for row in get(azure, location_path(azure, "westeurope/vmSizes")).body["value"]}
    assert rows["Standard_D64s_v3"] == {
        "name": "Standard_D64s_v3",
        "numberOfCores": 64,
        "osDiskSizeInMB": 1047552,
        "resourceDiskSizeInMB": 524288,
        "memoryInMB": 262144,
        "maxDataDiskCount": 32,
    }
    assert rows["Standard_HB120-16rs_v3"]["numberOfCores"] == 120


@pytest.mark.parametrize("kind", ["vmSizes", "usages"])
def test_a_place_that_is_no_region(azure: SimulatedAzure, kind: str) -> None:
    """400 NoRegisteredProviderFound, with the regions there are."""
    answer = get(azure, location_path(azure, f"atlantis/{kind}"))
    assert (answer.status, answer.code) == (400, "NoRegisteredProviderFound")
    assert "westeurope" in answer.body["error"]["message"]


def test_sizes_for_a_vm(azure: SimulatedAzure) -> None:
    """What an existing VM can be resized to: nothing of another processor, nothing that its zone does not have."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, top={"zones": ["2"]}))
    names = {row["name"] for row in get(azure, vm_path(azure, "vm-1/vmSizes")).body["value"]}
    assert "Standard_D4s_v5" in names
    assert not names & {"Standard_D16plds_v5", "Standard_NC24ads_A100_v4", "Standard_A0"}
    assert get(azure, vm_path(azure, "absent/vmSizes")).status == 404


def test_the_sdk_reads_all_of_it(azure: SimulatedAzure) -> None:
    """Unmodified azure-mgmt-compute: SKUs, sizes and usages."""
    with azure.compute() as client:
        names = {
            sku.name for sku in client.resource_skus.list(filter="location eq 'westeurope'", include_extended_locations="true")
        }
        assert {"Standard_HB176rs_v4", "Standard_ND96isr_H100_v5"} <= names
        assert (
            next(size for size in client.virtual_machine_sizes.list("westeurope") if size.name == "Basic_A0").memory_in_mb
            == 768
        )
        usages = {usage.name.value: usage for usage in client.usage.list("westeurope")}
        assert usages["cores"].name.localized_value == "Total Regional vCPUs"


def test_the_estate_adds_sizes() -> None:
    """A size of one's own, like another but for what is said, offered where it is said."""
    own = {"name": "Standard_X6", "like": "Standard_D4s_v5", "vcpus": 6, "memory_gib": 1.5, "locations": ["West Europe"]}
    with simulated_azure(offering={"sizes": [own]}) as azure:
        row = next(row for row in listed(azure) if row["name"] == "Standard_X6")
        assert row["family"] == "standardDSv5Family"
        has = {item["name"]: item["value"] for item in row["capabilities"]}
        assert (has["vCPUs"], has["MemoryGB"], has["MaxDataDiskCount"]) == ("6", "1.5", "8")
        assert "Standard_X6" not in {row["name"] for row in listed(azure, "location eq 'northeurope'")}
        body = vm_body(azure, hardwareProfile={"vmSize": "standard_x6"})
        assert arm(azure, "PUT", vm_path(azure, "vm-1"), body).status == 201


def test_the_estate_may_change_a_size() -> None:
    """What the estate says of a size of the table goes before the table."""
    skus = Skus([SizeEntry("Standard_D2s_v5", like="Standard_D2s_v5", capabilities={"PremiumIO": "False"}, zones=("3",))])
    size = skus.find("Standard_D2s_v5")
    assert size is not None
    assert (size.has("PremiumIO"), size.zones, size.vcpus) == (False, ("3",), 2)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ({"sizes": [{"name": "D2s_v5"}]}, r"sizes\[0\].name"),
        ({"restrictions": [{"size": "Standard_A0", "zones": ["4"]}]}, r"restrictions\[0\].zones\[0\]"),
        ({"quotas": [{"name": "cores", "limit": -1}]}, r"quotas\[0\].limit"),
        ({"quotas": [{"name": "cores", "limit": 1, "region": "x"}]}, r"quotas\[0\].region"),
        ({"capacity": [{"hosts": 1, "answer": "Nope"}]}, r"capacity\[0\].answer"),
        ({"prices": [{"size": "Standard_A0", "spot": 0}]}, r"prices\[0\].spot"),
        ({"prices": {}}, "prices"),
    ],
)
def test_mistakes_in_the_estate_are_told_with_their_place(written: dict[str, Any], place: str) -> None:
    """The message names the file and the path of the key."""
    with pytest.raises(ConfigError, match=f"estate.json: {place}"):
        offering.read(written, "estate.json")


def test_what_is_said_of_sizes_that_there_are_not_is_told() -> None:
    """A typing error in the name of a size is told at the start; it would make a limit without effect."""
    own = SizeEntry("Standard_X6", like="standard_d4S_v5")
    said = {
        "restrictions": [{"size": "Standard_A0"}, {"size": "Standard_D2s_v55"}],
        "capacity": [{"hosts": 1}, {"hosts": 1, "size": "Standard_X6"}, {"hosts": 1, "size": "Standard_X7"}],
        "prices": [{"size": "D2s_v5", "spot": 1}],
    }
    with pytest.raises(ConfigError) as refused:
        Skus([own]).check(offering.read(said, "estate.json"))
    places = ("restrictions[1].size", "capacity[2].size", "prices[0].size")
    assert [line.partition(": ")[2].partition(": ")[0] for line in str(refused.value).splitlines()] == list(places)
    with pytest.raises(ConfigError, match="Standard_X6 cannot be like Standard_D4s_v55"):
        Skus([SizeEntry("Standard_X6", like="Standard_D4s_v55")])


def test_the_table_is_shipped() -> None:
    """Each row says where it comes from, and the file says what that means."""
    document = json.loads((Path(module.__file__).parent / "skus.json").read_text())
    assert {row["source"] for row in document["sizes"]} == set(document["sources"])
