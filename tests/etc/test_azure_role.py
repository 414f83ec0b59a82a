"""The role that ships with the product: enough for all it does in Azure, and nothing in it that it could do without."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from slurm_azure.azure.cloud import VmOrder
from slurm_azure.azure.compute import AzureCompute
from slurm_azure.azure.credential import make_credential
from slurm_azure.azure.failures import classify
from slurm_azure.azure.limits import Limits
from slurm_azure.errors import CloudUnreachable, CreateRefused, CredentialRefused
from slurm_azure.model import FailureReason, LaunchId, Leftover, LeftoverKind, NodeName, Offer, PoolName, VmName, VmState
from tests.support.clouds import config_for
from tests.support.configs import a_document
from tests.support.processes import until
from tests.support.simulated_azure import ROLE_FILE, SUBSCRIPTION, SimulatedAzure, product_role, simulated_azure

ACTIONS: list[str] = json.loads(ROLE_FILE.read_text(encoding="utf-8"))["Actions"]
COMPUTE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/slurm-burst/providers/Microsoft.Compute"
SECURITY_GROUP = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/slurm-burst/providers/Microsoft.Network/networkSecurityGroups/nsg"
)
IMAGES = {
    "gallery": {"gallery": f"{COMPUTE}/galleries/g/images/i/versions/1.0.0"},
    "managed": {"id": f"{COMPUTE}/images/i"},
}


def a_cloud(azure: SimulatedAzure) -> AzureCompute:
    """The seam as the daemon makes it, with every setting that names another resource: identity, security group, images."""
    pools = {name: a_document(f"{name}-[1-9]")["pools"]["hb"] | {"image": image} for name, image in IMAGES.items()}
    document = {"pools": pools, "partitions": {"cloud": {"pools": list(pools), "resume_timeout": 600.0}}}
    config = config_for(azure, network_security_group=SECURITY_GROUP)
    config = type(config).model_validate(config.model_dump(by_alias=True, exclude_unset=True) | document)
    return AzureCompute(config, make_credential(config.azure), Limits(config.limits.requests))


def an_order(pool: str) -> VmOrder:
    """An order for the first node of a pool."""
    name = VmName(f"{pool}-1-l")
    return VmOrder(
        name, NodeName(f"{pool}-1"), LaunchId(f"l-{pool}"), PoolName(pool), Offer("Standard_F2s_v2"), "#cloud-config\n"
    )


def a_leftover(kind: LeftoverKind) -> Leftover:
    """One of that name; there is none."""
    return Leftover(kind, "left-behind", NodeName("gallery-1"), LaunchId("l-gallery"), PoolName("gallery"))


def settled(cloud: AzureCompute) -> bool:
    """Wait until nothing is going on with any VM: Azure refuses an operation while there is another."""
    until(lambda: all(vm.state is VmState.SUCCEEDED for vm in cloud.list()))
    return True


def everything(cloud: AzureCompute) -> dict[str, Callable[[], Any]]:
    """All that the product asks Azure for."""
    return {
        "create from a gallery": lambda: cloud.create(an_order("gallery")),
        "create from a managed image": lambda: cloud.create(an_order("managed")),
        "create again what is there": lambda: cloud.create(an_order("gallery")),
        "list": cloud.list,
        "why it failed": lambda: cloud.why_failed(an_order("gallery").vm_name),
        "console": lambda: cloud.console(an_order("gallery").vm_name),
        "deallocate": lambda: settled(cloud) and cloud.deallocate(an_order("managed").vm_name),
        "start": lambda: settled(cloud) and cloud.start(an_order("managed").vm_name),
        "power": lambda: cloud.power(an_order("managed").vm_name),
        "leftovers": cloud.leftovers,
        "remove an interface": lambda: cloud.remove(a_leftover(LeftoverKind.INTERFACE)),
        "remove a disk": lambda: cloud.remove(a_leftover(LeftoverKind.DISK)),
        "delete": lambda: cloud.delete(an_order("gallery").vm_name),
    }


def complaints(azure: SimulatedAzure) -> list[str]:
    """Do everything; what Azure had against it."""
    cloud = a_cloud(azure)
    found = []
    try:
        for do in everything(cloud).values():
            try:
                do()
            except CreateRefused as error:
                failure = classify(error.code, error.message, error.status)
                assert failure.reason is FailureReason.PERMISSION
                found.append(failure.detail)
            except (CredentialRefused, CloudUnreachable) as error:
                found.append(str(error))
    finally:
        cloud.close()
    return found


def test_the_role_is_enough() -> None:
    """With the role, assigned as the documentation says, nothing is refused."""
    with simulated_azure() as azure:
        assert complaints(azure) == []


@pytest.mark.parametrize("action", ACTIONS)
def test_without_an_action_the_product_fails_and_names_it(action: str) -> None:
    """Each action of the role is needed: without it something is refused, as a matter of rights and with the action named."""
    role = product_role()
    role["Actions"] = [other for other in ACTIONS if other != action]
    with simulated_azure(role=role) as azure:
        found = complaints(azure)
    assert found, f"nothing needs {action}"
    assert all(action in complaint for complaint in found), found


def test_the_role_can_do_nothing_else() -> None:
    """No wildcard, and no right on data, slips in."""
    role = product_role()
    assert [action for action in ACTIONS if "*" in action] == []
    assert (role["NotActions"], role["DataActions"], role["NotDataActions"]) == ([], [], [])
