"""Microsoft.Compute: resource SKUs, VM sizes and usages.

OpenAPI: skus.json 2021-07-01, computeRPCommon.json, virtualMachine.json. Azure lists SKUs of all that Compute has; here are
those of VMs (all), and of disks and availability sets (a few: a client has to look at `resourceType`). One row for each
location, as Azure sends them for VMs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.offering import Restriction
from slurm_azure.simulator.refusal import Refusal, invalid_parameter, resource_not_found
from slurm_azure.simulator.resource_id import COMPUTE, location_name
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.regions import all_regions
from slurm_azure.simulator.world.skus import Size
from slurm_azure.simulator.world.world import World

_SUBSCRIPTION = "/subscriptions/{subscriptionId}/providers/Microsoft.Compute"
_LOCATION = _SUBSCRIPTION + "/locations/{location}"
_VM = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Compute/virtualMachines/{vmName}"
_BY_LOCATION = re.compile(r"\s*location\s+eq\s+'([^']*)'\s*", re.IGNORECASE)

# "Azure managed disk types": size, GiB at least and at most, IOPS and MB/s of the disk.
_DISKS = (
    ("Premium_LRS", "Premium", "P4", 16, 32, 120, 25),
    ("Premium_LRS", "Premium", "P10", 64, 128, 500, 100),
    ("Premium_LRS", "Premium", "P30", 512, 1024, 5000, 200),
    ("StandardSSD_LRS", "Standard", "E10", 64, 128, 500, 100),
    ("StandardSSD_LRS", "Standard", "E30", 512, 1024, 500, 100),
    ("Standard_LRS", "Standard", "S10", 64, 128, 500, 60),
    ("Standard_LRS", "Standard", "S30", 512, 1024, 500, 60),
)


class Skus:
    """Answers the requests on what there is to be had. `page_size` is a list's."""

    def __init__(self, world: World, page_size: int) -> None:
        self._world = world
        self._page_size = page_size

    def routes(self) -> list[Route]:
        """The operations."""
        act = f"{COMPUTE}/"
        return [
            Route("GET", _SUBSCRIPTION + "/skus", "ResourceSkus_List", act + "skus/read", self.list_skus),
            Route("GET", _LOCATION + "/vmSizes", "VirtualMachineSizes_List", act + "locations/vmSizes/read", self.list_sizes),
            Route("GET", _LOCATION + "/usages", "Usage_List", act + "locations/usages/read", self.list_usages),
            Route(
                "GET",
                _VM + "/vmSizes",
                "VirtualMachines_ListAvailableSizes",
                act + "virtualMachines/vmSizes/read",
                self.list_for_vm,
            ),
        ]

    def list_skus(self, call: Call) -> Reply:
        """What can be had in one location ("Only location filter is supported currently", OpenAPI), or in all of the estate."""
        subscription = self._world.subscription(call.parameters["subscriptionId"]).id
        extended = call.query.get("includeExtendedLocations", "false")
        if extended.lower() not in ("true", "false"):
            raise invalid_parameter("includeExtendedLocations", "The value of parameter includeExtendedLocations is invalid.")
        locations = sorted(self._world.locations)
        if call.query.get("$filter"):
            wanted = _BY_LOCATION.fullmatch(call.query["$filter"])
            if wanted is None:
                message = f"The filter '{call.query['$filter']}' is not supported: the only one is location eq '<location>'."
                raise invalid_parameter("$filter", message)
            locations = [name for name in (location_name(wanted[1]),) if self._exists(name)]
        rows = enumerate((row for location in locations for row in self._rows(location, subscription)), 1)
        return page(call, rows, lambda row: row[0], lambda row: row[1], self._page_size)

    def _rows(self, location: str, subscription: str) -> Iterator[dict[str, Any]]:
        skus = self._world.skus
        zones = skus.location_zones(location)
        for tier in ("Aligned", "Classic"):
            yield _row("availabilitySets", tier, location, (), {"MaximumPlatformFaultDomainCount": "3"})
        for name, tier, size, least, most, iops, throughput in _DISKS:
            has = {
                "MaxSizeGiB": most,
                "MinSizeGiB": least,
                "MaxIOps": iops,
                "MaxBandwidthMBps": throughput,
                "MaxValueOfMaxShares": 1,
            }
            told = {key: str(value) for key, value in has.items()}
            yield _row("disks", name, location, zones, told, tier=tier, size=size)
        for item in skus.in_location(location):
            members = {"tier": item.tier, "size": item.size, "family": item.family}
            row = _row("virtualMachines", item.name, location, skus.zones(item, location), item.capabilities, **members)
            row["restrictions"] = [_restriction(found, location) for found in skus.restrictions(item, location, subscription)]
            yield row

    def list_sizes(self, call: Call) -> Reply:
        """The VM sizes of a location, restricted or not."""
        location = self._location(call, "vmSizes")
        return Reply(200, {"value": [_size(size) for size in self._world.skus.in_location(location)]})

    def list_for_vm(self, call: Call) -> Reply:
        """The sizes a VM can have in its place: of its location and processor, that its subscription may use."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        vm = group.vms.get(call.parameters["vmName"].lower())
        if vm is None:
            raise resource_not_found("Microsoft.Compute/virtualMachines", call.parameters["vmName"], group.name)
        skus, zone = self._world.skus, vm.zones[0] if vm.zones else None
        found = [
            _size(size)
            for size in skus.in_location(vm.location)
            if size.architecture == vm.size.architecture
            and (zone is None or zone in skus.zones(size, vm.location))
            and not skus.restricted(size, vm.location, group.subscription, zone)
        ]
        return Reply(200, {"value": found})

    def list_usages(self, call: Call) -> Reply:
        """Quotas: what is used of what limit."""
        location = self._location(call, "usages")
        subscription = call.parameters["subscriptionId"]
        usages = self._world.quotas.usages(subscription, location, self._world.skus.families())
        shown = [
            {
                "limit": usage.limit,
                "unit": "Count",
                "currentValue": usage.used,
                "name": {"value": usage.name, "localizedValue": usage.text},
            }
            for usage in usages
        ]
        return Reply(200, {"value": shown})

    def _exists(self, location: str) -> bool:
        return location in all_regions(self._world.locations)

    def _location(self, call: Call, kind: str) -> str:
        self._world.subscription(call.parameters["subscriptionId"])
        name = location_name(call.parameters["location"])
        if self._exists(name):
            return name
        raise Refusal(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{name}' and API version '{call.api_version}' for type "
            f"'locations/{kind}'. The supported api-versions are '{call.api_version}'. The supported locations are "
            f"'{', '.join(sorted(all_regions(self._world.locations)))}'.",
        )


def _row(kind: str, name: str, location: str, zones: tuple[str, ...], capabilities: Any, **members: str) -> dict[str, Any]:
    return {
        "resourceType": kind,
        "name": name,
        **members,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": list(zones), "zoneDetails": []}],
        "capabilities": [{"name": key, "value": value} for key, value in capabilities.items()],
        "restrictions": [],
    }


def _restriction(restriction: Restriction, location: str) -> dict[str, Any]:
    info: dict[str, Any] = {"locations": [location]}
    if restriction.zones:
        info["zones"] = list(restriction.zones)
    kind = "Zone" if restriction.zones else "Location"
    return {"type": kind, "values": [location], "restrictionInfo": info, "reasonCode": restriction.reason}


def _size(size: Size) -> dict[str, Any]:
    return {
        "name": size.name,
        "numberOfCores": size.quota_vcpus,
        "osDiskSizeInMB": size.number("OSVhdSizeMB"),
        "resourceDiskSizeInMB": size.number("MaxResourceVolumeMB"),
        "memoryInMB": size.memory_mib,
        "maxDataDiskCount": size.number("MaxDataDiskCount"),
    }
