"""What the instance view of a VM tells of its hardware and its guest, and what the model says of its interfaces."""

from __future__ import annotations

from typing import Any

import pytest

from slurm_azure.simulator.world.generations import generation
from slurm_azure.simulator.world.skus import Size, Skus
from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body

BOTH, FIRST, SECOND = "Standard_D2s_v5", "Standard_A0", "Standard_NC24ads_A100_v4"


@pytest.mark.parametrize(
    ("offer", "sku", "expected"),
    [
        ("WindowsServer", "2016-Datacenter", "V1"),
        ("WindowsServer", "2019-datacenter-gensecond", "V2"),
        ("windows-11", "win11-23h2-pro", "V2"),
        ("0001-com-ubuntu-server-jammy", "22_04-lts", "V1"),
        ("0001-com-ubuntu-server-jammy", "22_04-lts-gen2", "V2"),
        ("ubuntu-24_04-lts", "server", "V2"),
        ("ubuntu-24_04-lts", "server-gen1", "V1"),
        ("almalinux-x86_64", "9-gen1", "V1"),
    ],
)
def test_the_generation_is_the_images(offer: str, sku: str, expected: str) -> None:
    """A size that can be both is what the name of the image's sku says."""
    model = {"storageProfile": {"imageReference": {"offer": offer, "sku": sku}}}
    assert generation(a_size(BOTH), model) == expected


@pytest.mark.parametrize(
    ("size", "model", "expected"),
    [
        (FIRST, {}, "V1"),
        (SECOND, {"storageProfile": {"imageReference": {"offer": "WindowsServer", "sku": "2016-Datacenter"}}}, "V2"),
        (BOTH, {"storageProfile": {"imageReference": {"id": "/subscriptions/s/images/i"}}}, "V2"),
        (BOTH, {"securityProfile": {"securityType": "TrustedLaunch"}}, "V2"),
        (BOTH, {"storageProfile": {"diskControllerType": "NVMe"}}, "V2"),
    ],
)
def test_the_generation_is_one_that_the_size_can_have(size: str, model: dict[str, Any], expected: str) -> None:
    """A size of one generation decides alone; what needs the second has it."""
    assert generation(a_size(size), model) == expected


def test_the_agent_reports_when_the_guest_is_up(slow_azure: SimulatedAzure) -> None:
    """No agent without power, then one that has not reported, then one that is ready; none where the VM was made without."""
    body = vm_body(slow_azure, "az-1")
    without = vm_body(slow_azure, "az-2")
    without["properties"]["osProfile"]["linuxConfiguration"]["provisionVMAgent"] = False
    without["properties"]["osProfile"]["allowExtensionOperations"] = False
    for name, wanted in (("az-1", body), ("az-2", without)):
        assert arm(slow_azure, "PUT", vm_path(slow_azure, name), wanted).status == 201
    assert "vmAgent" not in view(slow_azure, "az-1")
    slow_azure.advance(3)
    assert said(slow_azure) == ("Unknown", "ProvisioningState/Unavailable", "Warning", "Not Ready")
    slow_azure.advance(30)
    assert said(slow_azure)[1:] == ("ProvisioningState/succeeded", "Info", "Ready")
    assert "vmAgent" not in view(slow_azure, "az-2")


def test_an_interface_shows_what_was_said_of_its_end(azure: SimulatedAzure) -> None:
    """deleteOption is shown as it was given, and not at all where it was not, as in Microsoft's examples."""
    shown = arm(azure, "PUT", vm_path(azure, "az-1"), vm_body(azure, "az-1")).body
    assert shown["properties"]["networkProfile"]["networkInterfaces"][0]["properties"] == {
        "primary": True,
        "deleteOption": "Delete",
    }
    body = vm_body(azure, "az-2")
    del body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]["deleteOption"]
    shown = arm(azure, "PUT", vm_path(azure, "az-2"), body).body
    assert shown["properties"]["networkProfile"]["networkInterfaces"][0]["properties"] == {"primary": True}


def a_size(name: str) -> Size:
    """A size of the table."""
    found = Skus().find(name)
    assert found is not None
    return found


def view(azure: SimulatedAzure, name: str) -> dict[str, Any]:
    """The instance view of a VM."""
    found: dict[str, Any] = arm(azure, "GET", f"{vm_path(azure, name)}/instanceView").body
    return found


def said(azure: SimulatedAzure) -> tuple[str, ...]:
    """Version, and code, level and displayStatus of what the agent of az-1 says."""
    agent = view(azure, "az-1")["vmAgent"]
    status = agent["statuses"][0]
    return agent["vmAgentVersion"], status["code"], status["level"], status["displayStatus"]
