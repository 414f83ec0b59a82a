"""What there is to be had (SKUs, sizes, usages), driven by the unmodified SDK, synchronous and asynchronous."""

from __future__ import annotations

from typing import Any

from tests.contracts.drivers import outcome
from tests.contracts.walks import Drive, made, refused
from tests.support.simulated_azure import SimulatedAzure


def test_skus(drive: Drive) -> None:
    """At least 40 sizes are listed for the region, with the capabilities a site needs, all of them text."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        found = await outcome(client.resource_skus.list(filter=f"location eq '{azure.location}'"))
        sizes = {sku.name: sku for sku in found if sku.resource_type == "virtualMachines"}
        assert len(sizes) >= 40
        capabilities = {item.name: item.value for item in sizes["Standard_D2s_v5"].capabilities}
        assert (capabilities["vCPUs"], capabilities["MemoryGB"]) == ("2", "8")
        assert {sku.locations[0].lower() for sku in sizes.values()} == {azure.location}
        assert {len(sku.location_info) for sku in sizes.values()} == {1}

    drive(walk)


def test_sizes_of_a_region(drive: Drive) -> None:
    """The older list of sizes agrees with the SKUs."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        sizes = {size.name: size for size in await outcome(client.virtual_machine_sizes.list(azure.location))}
        assert (sizes["Standard_D2s_v5"].number_of_cores, sizes["Standard_D2s_v5"].memory_in_mb) == (2, 8192)

    drive(walk)


def test_usages_follow_what_exists(drive: Drive) -> None:
    """Cores of the region, of the family and of Spot are counted, each VM where it belongs."""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        async def usage() -> dict[str, int]:
            return {item.name.value: item.current_value for item in await outcome(client.usage.list(azure.location))}

        before = await usage()
        await made(client, azure, "regular")
        await made(client, azure, "spot", priority="Spot", evictionPolicy="Delete")
        after = await usage()
        grown = {name: count - before.get(name, 0) for name, count in after.items() if count != before.get(name, 0)}
        assert grown == {"cores": 2, "virtualMachines": 2, "standardDSv5Family": 2, "lowPriorityCores": 2}

    drive(walk)


def test_a_filter_that_is_not_known_is_refused(drive: Drive) -> None:
    """ "Only location filter is supported currently." (OpenAPI, ResourceSkus_List)"""

    async def walk(client: Any, azure: SimulatedAzure) -> None:
        assert (await refused(lambda: client.resource_skus.list(filter="name eq 'x'")))[0] == 400

    drive(walk)
