"""Azure does not forget: a simulator that was killed with -9 goes on where it was."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient

from slurm_azure.simulator.estate import DEFAULT
from tests.support.processes import free_port, until

SUBSCRIPTION = DEFAULT["subscriptions"][0]["id"]


class Process:
    """A simulator as a process of its own, on the same ports each time it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.ports = folder, (free_port(), free_port())
        self.process: subprocess.Popen[str] | None = None
        self.found: dict[str, Any] = {}

    def start(self, *options: str) -> None:
        """Start it with its state in `folder`."""
        argv = [sys.executable, "-m", "slurm_azure.simulator", "--folder", str(self.folder / "azure"), *options]
        argv += ["--listen", f"127.0.0.1:{self.ports[0]}", "--control", f"127.0.0.1:{self.ports[1]}", "--retry-after", "0"]
        argv += ["--world", str(self.folder / "state"), "--seed", "1"]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        self.found = json.loads(self.process.stdout.readline())

    def kill(self) -> None:
        """kill -9, unless it has ended."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()

    def vms(self) -> dict[str, dict[str, Any]]:
        """All VMs by name, as the control endpoint tells of them."""
        with urllib.request.urlopen(f"{self.found['control']}/vms", timeout=10) as answer:
            return {vm["name"]: vm for vm in json.load(answer)["value"]}

    def client(self) -> ComputeManagementClient:
        """The SDK's client, as the built-in principal."""
        endpoint, ca = self.found["endpoint"], self.found["ca_file"]
        principal = DEFAULT["service_principals"][0]
        secret = (self.folder / "azure" / principal["secret_file"]).read_text().strip()
        credential = ClientSecretCredential(
            self.found["tenant"], principal["client_id"], secret, authority=endpoint, disable_instance_discovery=True,
            connection_verify=ca,
        )  # fmt: skip
        return ComputeManagementClient(
            credential, SUBSCRIPTION, base_url=endpoint, credential_scopes=[f"{endpoint}/.default"], connection_verify=ca,
            retry_total=0, polling_interval=0,
        )  # fmt: skip


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    process.kill()


def body(name: str) -> Any:
    """A create call's body."""
    network = DEFAULT["subscriptions"][0]["virtual_networks"][0]
    subnet = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{network['resource_group']}/providers/Microsoft.Network/"
    subnet += f"virtualNetworks/{network['name']}/subnets/{next(iter(network['subnets']))}"
    interface = {"deleteOption": "Delete", "ipConfigurations": [{"name": "c", "properties": {"subnet": {"id": subnet}}}]}
    key = {"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAAC3Nz test"}
    image = {"publisher": "p", "offer": "o", "sku": "s", "version": "latest"}
    linux = {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {"imageReference": image, "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"}},
        "osProfile": {"computerName": name, "adminUsername": "azureuser", "linuxConfiguration": linux},
        "networkProfile": {
            "networkApiVersion": "2020-11-01",
            "networkInterfaceConfigurations": [{"name": f"{name}-nic", "properties": interface}],
        },
    }
    return {"location": "westeurope", "properties": properties, "tags": {"of": name}}


def test_a_vm_its_address_and_its_quota_outlive_the_process(simulator: Process) -> None:
    """What was answered is there after kill -9: VM, tags, address; the token is still good; the cores are still charged."""
    simulator.start("--create-seconds", "0", "--boot-seconds", "0")
    with simulator.client() as client:
        made = client.virtual_machines.begin_create_or_update("slurm-burst", "one", body("one")).result()
        before = simulator.vms()["one"]
        simulator.kill()
        simulator.start()
        again = client.virtual_machines.get("slurm-burst", "one")
        assert (again.vm_id, again.tags) == (made.vm_id, {"of": "one"})
        assert simulator.vms()["one"] == before
        used = {usage.name.value: usage.current_value for usage in client.usage.list("westeurope")}
        assert (used["cores"], used["virtualMachines"]) == (2, 1)
        client.virtual_machines.begin_create_or_update("slurm-burst", "two", body("two"))
        assert simulator.vms()["two"]["ip"] != before["ip"]


def test_operations_in_flight_go_on(simulator: Process) -> None:
    """A create and a delete that were accepted before kill -9 come to their end after it."""
    simulator.start("--create-seconds", "0", "--boot-seconds", "0")
    with simulator.client() as client:
        client.virtual_machines.begin_create_or_update("slurm-burst", "goes", body("goes")).result()
        simulator.kill()
        simulator.start("--create-seconds", "600", "--delete-seconds", "600")
        client.virtual_machines.begin_delete("slurm-burst", "goes", polling=False)
        client.virtual_machines.begin_create_or_update("slurm-burst", "comes", body("comes"), polling=False)
        states = {name: vm["provisioningState"] for name, vm in simulator.vms().items()}
        assert states == {"goes": "Deleting", "comes": "Creating"}
        simulator.kill()
        simulator.start("--create-seconds", "0", "--boot-seconds", "0", "--delete-seconds", "0")
        until(lambda: list(simulator.vms()) == ["comes"], what="the deleted VM to go")
        until(lambda: simulator.vms()["comes"]["provisioningState"] == "Succeeded", what="the VM to come")
        assert simulator.vms()["comes"]["powerState"] == "running"


def test_a_foreign_file_is_refused(simulator: Process, tmp_path: Path) -> None:
    """A file that is no state of a simulator ends the start with a line that names it, and stays as it is."""
    (tmp_path / "state").write_text("something else")
    argv = [sys.executable, "-m", "slurm_azure.simulator", "--folder", str(tmp_path / "azure"), "--listen", "127.0.0.1:0"]
    done = subprocess.run([*argv, "--world", str(tmp_path / "state")], capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "not the state of a simulator" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "state").read_text() == "something else"
