"""The seam against a whole simulated Azure: what a VM leaves behind, how many requests it costs, who may do what."""

from __future__ import annotations

import base64
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from slurm_azure.azure.cloud import VmOrder
from slurm_azure.azure.compute import AzureCompute
from slurm_azure.azure.credential import make_credential
from slurm_azure.azure.failures import classify
from slurm_azure.azure.limits import Limits
from slurm_azure.config import Config
from slurm_azure.errors import CreateRefused, CredentialRefused
from slurm_azure.model import FailureReason, LaunchId, NodeName, Offer, PoolName, VmName
from tests.support.clouds import config_for
from tests.support.simulated_azure import CLIENT, READER, SimulatedAzure, simulated_azure


@contextmanager
def compute(config: Config) -> Iterator[AzureCompute]:
    """The seam as the daemon makes it."""
    cloud = AzureCompute(config, make_credential(config.azure), Limits(config.limits.requests))
    try:
        yield cloud
    finally:
        cloud.close()


def an_order(number: int = 1) -> VmOrder:
    """An order for node az-NUMBER."""
    node = NodeName(f"az-{number}")
    return VmOrder(
        VmName(f"{node}-l"), node, LaunchId(f"l{number}"), PoolName("hb"), Offer("Standard_F2s_v2"), "#cloud-config\n"
    )


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    with simulated_azure() as simulated:
        yield simulated


def test_vm_is_what_was_ordered(azure: SimulatedAzure) -> None:
    """Host name, tags, identity and the one NIC in the subnet are there as Azure shows them; customData is not shown."""
    with compute(config_for(azure)) as cloud, azure.compute() as sdk:
        cloud.create(an_order())
        vm = sdk.virtual_machines.get(azure.resource_group, "az-1-l").as_dict()
    assert vm["properties"]["osProfile"]["computerName"] == "az-1"
    assert "customData" not in vm["properties"]["osProfile"]
    assert vm["tags"]["slurm-azure-launch"] == "l1"
    assert azure.identity_id.lower() in {identity.lower() for identity in vm["identity"]["userAssignedIdentities"]}
    assert len(vm["properties"]["networkProfile"]["networkInterfaces"]) == 1


def test_two_writes_a_node_and_nothing_left(azure: SimulatedAzure) -> None:
    """Fifty nodes in their whole life cost a PUT and a DELETE each, one login, and no read but lists; nothing remains."""
    with compute(config_for(azure)) as cloud, ThreadPoolExecutor(16) as pool:
        orders = [an_order(number) for number in range(50)]
        list(pool.map(cloud.create, orders))
        assert len(cloud.list()) == 50
        list(pool.map(cloud.delete, [order.vm_name for order in orders]))
        counts = azure.counts()
    assert counts["VirtualMachines_CreateOrUpdate"] == counts["VirtualMachines_Delete"] == 50
    assert counts["Login_Token"] == 1
    assert {name for name in counts if not name.startswith("Login")} == {
        "VirtualMachines_CreateOrUpdate",
        "VirtualMachines_Delete",
        "VirtualMachines_List",
    }
    assert azure.vms() == []


def test_pages_of_a_long_list() -> None:
    """Seven VMs on pages of three are three requests and seven VMs."""
    with simulated_azure(page_size=3) as azure, compute(config_for(azure)) as cloud:
        for number in range(7):
            cloud.create(an_order(number))
        azure.forget()
        assert sorted(vm.launch for vm in cloud.list()) == [f"l{number}" for number in range(7)]
        assert azure.counts() == {"VirtualMachines_List": 3}


def test_vms_of_another_cluster_are_not_seen(azure: SimulatedAzure) -> None:
    """Two clusters share a resource group: each lists its own."""
    ours = config_for(azure)
    theirs = ours.model_copy(update={"cluster": "other"})
    with compute(ours) as one, compute(theirs) as two:
        one.create(an_order(1))
        two.create(an_order(2))
        assert [vm.launch for vm in one.list()] == ["l1"]
        assert [vm.launch for vm in two.list()] == ["l2"]


def test_certificate_logs_in(azure: SimulatedAzure) -> None:
    """A service principal with a certificate gets in as well as one with a secret."""
    file = str(azure.certificate_file)
    who = {"kind": "certificate", "tenant": azure.tenant, "client": azure.client_id, "certificate_file": file}
    with compute(config_for(azure, who)) as cloud:
        assert cloud.list() == ()


def reader(azure: SimulatedAzure) -> dict[str, Any]:
    """A principal that may only read."""
    file = azure.folder / "reader.secret"
    file.write_text("only reads")
    file.chmod(0o600)
    return {"kind": "secret", "tenant": azure.tenant, "client": READER, "secret_file": str(file)}


def test_role_that_lacks_the_write_action(azure: SimulatedAzure) -> None:
    """A create without the right is refused and classified as such, with the action in it; a delete is the credential's."""
    with compute(config_for(azure, reader(azure))) as cloud:
        assert cloud.list() == ()
        with pytest.raises(CreateRefused) as caught:
            cloud.create(an_order())
        failure = classify(caught.value.code, caught.value.message, caught.value.status)
        assert failure.reason is FailureReason.PERMISSION
        assert "virtualMachines/write" in failure.detail
        with pytest.raises(CredentialRefused, match="virtualMachines/delete"):
            cloud.delete(VmName("az-1-l"))


def test_wrong_secret(azure: SimulatedAzure) -> None:
    """A secret that is not the principal's is told with the authority's words, without the secret."""
    wrong = reader(azure) | {"client": azure.client_id}
    with compute(config_for(azure, wrong)) as cloud, pytest.raises(CredentialRefused) as caught:
        cloud.list()
    assert "AADSTS" in str(caught.value)
    assert "only reads" not in str(caught.value)


def test_full_subnet(azure: SimulatedAzure) -> None:
    """A subnet with three addresses takes three VMs; the fourth is refused for the network, with the remedy."""
    with compute(config_for(azure, subnet=azure.small_subnet_id)) as cloud:
        for number in range(3):
            cloud.create(an_order(number))
        with pytest.raises(CreateRefused) as caught:
            cloud.create(an_order(4))
    failure = classify(caught.value.code, caught.value.message, caught.value.status)
    assert failure.reason is FailureReason.NETWORK
    assert "addresses" in failure.detail


def test_resource_group_that_is_not_there(azure: SimulatedAzure) -> None:
    """A resource group that does not exist: Azure tells so to who has rights in the subscription; to who has them in the group
    alone it says that they are missing, or that there is no such place."""
    owner = {"kind": "certificate", "tenant": azure.tenant, "client": CLIENT, "certificate_file": str(azure.certificate_file)}
    reasons = []
    for credential in (owner, None):
        with (
            compute(config_for(azure, credential, resource_group="nowhere")) as cloud,
            pytest.raises(CreateRefused) as caught,
        ):
            cloud.create(an_order())
        reasons.append(classify(caught.value.code, caught.value.message, caught.value.status).reason)
    assert reasons == [FailureReason.CONFIGURATION, FailureReason.PERMISSION]


def test_user_data_arrives(azure: SimulatedAzure) -> None:
    """The user data of the order is what the machine will find."""
    with compute(config_for(azure)) as cloud:
        cloud.create(an_order())
        shown = azure.control("/vms/az-1-l")
    assert base64.b64decode(shown["customData"]).decode() == "#cloud-config\n"


def test_azure_is_imported_only_where_it_is_used() -> None:
    """The parts of the seam that offline commands and the loop need do not load the SDK."""
    modules = "cloud, limits, failures, catalog, vm"
    program = (
        f"import sys; from slurm_azure.azure import {modules}; sys.exit('azure.core' in sys.modules or 'msal' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
