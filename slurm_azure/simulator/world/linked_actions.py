"""What the body of a VM asks for at other resources: Azure Resource Manager lets it through only if the caller may do it there.

Sources: descriptions of `../join/action` in "Azure permissions for Networking" and of `assign/action` in "Azure permissions
for Identity" (Microsoft Learn); public issues with LinkedAuthorizationFailed: Azure/aad-pod-identity 613 (identities),
kubernetes-sigs/cloud-provider-azure 1999 (joins, those of load balancers' pools too), Azure/AKS 2040 and Azure/bicep 17206
(`galleries/images/..read`), usri/deploy_DevOps_Server_AzureSQL 1 (`images/read`), kubernetes-sigs/azuredisk-csi-driver 2610
(`diskEncryptionSets/read`, seen with disks and taken for VMs alike). `capacityReservationGroups/deploy/action` "deploys a new
VM/VMSS using Capacity Reservation Group" ("Azure permissions for Compute"). That a disk made along
with a VM needs no right of its own: "Virtual Machine Contributor" had none on disks (MicrosoftDocs/azure-docs 31800). The same
is taken for an interface made along with a VM, a disk that is attached or copied, proximity placement groups, availability
sets and scale sets; no page was found that says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

SUBNET_JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"
SECURITY_GROUP_JOIN = "Microsoft.Network/networkSecurityGroups/join/action"
INTERFACE_JOIN = "Microsoft.Network/networkInterfaces/join/action"
PUBLIC_ADDRESS_JOIN = "Microsoft.Network/publicIPAddresses/join/action"
SECURITY_GROUP_OF_APPLICATIONS_JOIN = "Microsoft.Network/applicationSecurityGroups/joinIpConfiguration/action"
RESERVATION_DEPLOY = "Microsoft.Compute/capacityReservationGroups/deploy/action"
ENCRYPTION_SET_READ = "Microsoft.Compute/diskEncryptionSets/read"
_POOLS = (
    ("applicationSecurityGroups", SECURITY_GROUP_OF_APPLICATIONS_JOIN),
    ("loadBalancerBackendAddressPools", "Microsoft.Network/loadBalancers/backendAddressPools/join/action"),
    ("applicationGatewayBackendAddressPools", "Microsoft.Network/applicationGateways/backendAddressPools/join/action"),
)
_IDENTITY_ASSIGN = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
_IMAGES = (
    ("/versions/", "Microsoft.Compute/galleries/images/versions/read"),
    ("/galleries/", "Microsoft.Compute/galleries/images/read"),
    ("/providers/microsoft.compute/images/", "Microsoft.Compute/images/read"),
)


def of_vm(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The actions that making or changing a VM as `body` says needs elsewhere, each with the id of the resource there. What is
    not of the right type needs nothing: it will be refused anyway."""
    properties = _object(body, "properties")
    identities = _object(_object(body, "identity"), "userAssignedIdentities")
    found = [(_IDENTITY_ASSIGN, identity) for identity, given in identities.items() if given is not None]  # null takes it away
    profile = _object(properties, "networkProfile")
    found += [(INTERFACE_JOIN, one) for one in _ids(_objects(profile, "networkInterfaces"))]
    for interface in _objects(profile, "networkInterfaceConfigurations"):
        found += of_interface(interface)
    storage = _object(properties, "storageProfile")
    found += _image(_object(storage, "imageReference"))
    for disk in (_object(storage, "osDisk"), *_objects(storage, "dataDisks")):
        found += _encryption(_object(disk, "managedDisk"))
    group = _object(_object(properties, "capacityReservation"), "capacityReservationGroup")
    found += [(RESERVATION_DEPLOY, one) for one in _ids([group])]
    return found


def _encryption(disk: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The disk encryption sets of a managed disk, and of its guest state."""
    sets = (_object(disk, "diskEncryptionSet"), _object(_object(disk, "securityProfile"), "diskEncryptionSet"))
    return [(ENCRYPTION_SET_READ, one) for one in _ids(sets)]


def of_interface(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same for a network interface, alone or within a VM."""
    properties = _object(body, "properties")
    found = [(SECURITY_GROUP_JOIN, one) for one in _ids([_object(properties, "networkSecurityGroup")])]
    for configuration in _objects(properties, "ipConfigurations"):
        address = _object(configuration, "properties")
        found += [(SUBNET_JOIN, one) for one in _ids([_object(address, "subnet")])]
        found += [(PUBLIC_ADDRESS_JOIN, one) for one in _ids([_object(address, "publicIPAddress")])]
        for kind, action in _POOLS:
            found += [(action, one) for one in _ids(_objects(address, kind))]
    return found


def of_subnets(bodies: list[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The same for subnets: the network security groups they name."""
    groups = [_object(_object(body, "properties"), "networkSecurityGroup") for body in bodies]
    return [(SECURITY_GROUP_JOIN, one) for one in _ids(groups)]


def of_network(body: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The same for a virtual network with its subnets."""
    return of_subnets(list(_objects(_object(body, "properties"), "subnets")))


def _image(reference: Mapping[str, Any]) -> list[tuple[str, str]]:
    identity = reference.get("id")
    if not isinstance(identity, str):
        return []
    action = next((action for part, action in _IMAGES if part in identity.lower()), None)
    return [(action, identity)] if action else []


def _ids(owners: Any) -> Iterator[str]:
    return (owner["id"] for owner in owners if isinstance(owner.get("id"), str))


def _object(owner: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = owner.get(key)
    return value if isinstance(value, dict) else {}


def _objects(owner: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    value = owner.get(key)
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())
