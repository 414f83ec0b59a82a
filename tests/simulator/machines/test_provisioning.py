"""What a VM is given from outside."""

from __future__ import annotations

import base64
from pathlib import Path
from xml.etree import ElementTree

from slurm_azure.simulator.machines.machine import MachineSpec
from slurm_azure.simulator.machines.provisioning import SEED, provisioning_document, put_files
from slurm_azure.simulator.packing import packed

WA = "{http://schemas.microsoft.com/windowsazure}"


def a_spec(custom_data: bytes | None = b"#cloud-config\n") -> MachineSpec:
    return MachineSpec(
        vm_id="0d9b9c3e-5a0f-4f5e-9d2e-0123456789ab",
        vm_name="n1-x",
        computer_name="n1",
        admin_username="azureuser",
        packed_custom_data=packed(None if custom_data is None else base64.b64encode(custom_data).decode()),
        packed_user_data=None,
        ssh_keys=(),
        vm_size="Standard_F2s_v2",
        vcpus=2,
        memory_mib=4096,
        mac="52:54:0a:4d:40:04",
        ip="10.77.64.4",
        prefix=18,
        gateway="10.77.64.1",
        tags={},
    )


def test_custom_data_arrives_byte_for_byte() -> None:
    """Whatever bytes it holds; host name and administrator stand beside it."""
    data = bytes(range(256)) + "<&]]>ä".encode()
    answers = ElementTree.fromstring(provisioning_document(a_spec(data))).find(f".//{WA}LinuxProvisioningConfigurationSet")
    assert answers is not None
    assert base64.b64decode(answers.findtext(f"{WA}CustomData", "")) == data
    assert (answers.findtext(f"{WA}HostName"), answers.findtext(f"{WA}UserName")) == ("n1", "azureuser")


def test_without_custom_data_there_is_no_element() -> None:
    """An empty element would be user data of no length."""
    assert b"CustomData" not in provisioning_document(a_spec(None))


def test_files_are_private_and_folders_are_not(tmp_path: Path) -> None:
    """User data is root's alone; the folders are copied over the VM's own and must not lock anybody out."""
    put_files(tmp_path / "files", a_spec())
    assert (tmp_path / "files" / SEED).stat().st_mode & 0o777 == 0o600
    folders = [tmp_path / "files", *(place for place in (tmp_path / "files").rglob("*") if place.is_dir())]
    assert {place.stat().st_mode & 0o777 for place in folders} == {0o755}
    assert (tmp_path / "files/run/simulated-vm/uuid").read_text() == "0d9b9c3e-5a0f-4f5e-9d2e-0123456789ab\n"
