"""What a VM's body needs at other resources."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.simulator.world.linked_actions import of_vm


def vm(**properties: Any) -> dict[str, Any]:
    """A body with these properties."""
    return {"properties": properties}


def with_address(**settings: Any) -> dict[str, Any]:
    """A body with one interface that has one address."""
    address = {"properties": {"ipConfigurations": [{"properties": settings}]}}
    return vm(networkProfile={"networkInterfaceConfigurations": [address]})


X = {"id": "/x"}
IMAGES = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        ({}, []),
        (with_address(subnet=X), [("Microsoft.Network/virtualNetworks/subnets/join/action", "/x")]),
        (
            with_address(applicationSecurityGroups=[X]),
            [("Microsoft.Network/applicationSecurityGroups/joinIpConfiguration/action", "/x")],
        ),
        (
            with_address(loadBalancerBackendAddressPools=[X]),
            [("Microsoft.Network/loadBalancers/backendAddressPools/join/action", "/x")],
        ),
        (vm(networkProfile={"networkInterfaces": [X]}), [("Microsoft.Network/networkInterfaces/join/action", "/x")]),
        (
            {"identity": {"userAssignedIdentities": {"/x": {}, "/y": None}}},
            [("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", "/x")],
        ),
        (
            vm(storageProfile={"imageReference": {"id": f"{IMAGES}/images/i"}}),
            [("Microsoft.Compute/images/read", f"{IMAGES}/images/i")],
        ),
        (
            vm(storageProfile={"imageReference": {"id": f"{IMAGES}/galleries/a/images/i/versions/1"}}),
            [("Microsoft.Compute/galleries/images/versions/read", f"{IMAGES}/galleries/a/images/i/versions/1")],
        ),
        (
            vm(storageProfile={"osDisk": {"managedDisk": {"diskEncryptionSet": X}}, "dataDisks": [{"managedDisk": {}}]}),
            [("Microsoft.Compute/diskEncryptionSets/read", "/x")],
        ),
        (
            vm(capacityReservation={"capacityReservationGroup": X}),
            [("Microsoft.Compute/capacityReservationGroups/deploy/action", "/x")],
        ),
        (vm(proximityPlacementGroup=X, virtualMachineScaleSet=X, availabilitySet=X), []),
    ],
)
def test_what_is_needed_elsewhere(body: dict[str, Any], needed: list[tuple[str, str]]) -> None:
    """Each reference with its action; what joins without a right of its own needs none."""
    assert of_vm(body) == needed


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["properties", "identity", "storageProfile", "osDisk", "dataDisks", "networkProfile", "id"]),
                inner,
            )
        ),
        max_leaves=8,
    )
)
def test_no_body_makes_it_fail(value: Any) -> None:
    """Bodies of any shape need something or nothing; they are refused elsewhere."""
    assert isinstance(of_vm({"properties": value, "identity": value}), list)
