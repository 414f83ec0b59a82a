"""The regions of the public Azure cloud ("Azure regions list", Microsoft Learn), and the names of availability zones."""

from __future__ import annotations

from collections.abc import Set

ZONES = ("1", "2", "3")

REGIONS = frozenset(
    """
    australiacentral australiacentral2 australiaeast australiasoutheast austriaeast belgiumcentral brazilsouth brazilsoutheast
    canadacentral canadaeast centralindia centralus centraluseuap chilecentral eastasia eastus eastus2 eastus2euap francecentral
    francesouth germanynorth germanywestcentral indonesiacentral israelcentral italynorth japaneast japanwest koreacentral
    koreasouth malaysiawest mexicocentral newzealandnorth northcentralus northeurope norwayeast norwaywest polandcentral
    qatarcentral southafricanorth southafricawest southcentralus southeastasia southindia spaincentral swedencentral
    swedensouth switzerlandnorth switzerlandwest uaecentral uaenorth uksouth ukwest westcentralus westeurope westindia westus
    westus2 westus3
    """.split()  # noqa: SIM905 - one name after the other
)


def all_regions(of_the_estate: Set[str]) -> frozenset[str]:
    """Where resources may be: in the regions of Azure, and in those that an estate calls by a name of its own."""
    return REGIONS | of_the_estate
