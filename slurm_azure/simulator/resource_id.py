"""Azure's resource ids: written in any case, compared without regard to it."""

from __future__ import annotations

COMPUTE = "Microsoft.Compute"
NETWORK = "Microsoft.Network"
MANAGED_IDENTITY = "Microsoft.ManagedIdentity"
KEY_VAULT = "Microsoft.KeyVault"


def resource_id(subscription: str, group: str, provider: str, *types_and_names: str) -> str:
    """The id of a resource, for example resource_id(s, g, COMPUTE, "virtualMachines", "vm1")."""
    tail = "/".join(types_and_names)
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{provider}/{tail}"


def subnet_id(subscription: str, group: str, network: str, subnet: str) -> str:
    """The id of a subnet."""
    return resource_id(subscription, group, NETWORK, "virtualNetworks", network, "subnets", subnet)


def same(one: str, other: str) -> bool:
    """Whether two ids (or names) mean the same resource."""
    return one.lower() == other.lower()


def location_name(text: str) -> str:
    """A region's canonical name: "West Europe" and "westeurope" are one."""
    return text.replace(" ", "").lower()


def scope_of(path: str) -> str:
    """The scope that a request at `path` is about: the resource, without the name of a list or of an action after it.

    A list's scope ends with the provider (".. over scope '/subscriptions/../providers/Microsoft.Compute'", as error messages
    in public issues show).
    """
    segments = path.strip("/").split("/")
    start = max((i for i, segment in enumerate(segments) if segment.lower() == "providers"), default=-2) + 2
    spare = (len(segments) - start) % 2
    return "/" + "/".join(segments[: len(segments) - spare])
