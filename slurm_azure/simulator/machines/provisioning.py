"""What Azure puts into a VM from outside: the provisioning document (its CD-ROM in a real one) and the firmware's strings.

Shape of ovf-env.xml: cloud-init's documentation, "Azure" datasource, and its parser (cloudinit/sources/azure/).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from slurm_azure.simulator.machines.machine import MachineSpec

# The chassis asset tag by which every Azure VM is known (cloud-init's ChassisAssetTag.AZURE_CLOUD).
ASSET_TAG = "7783-7084-3265-9085-8269-3286-77"
# Where cloud-init looks for the document before it looks for a CD-ROM.
SEED = "var/lib/cloud/seed/azure/ovf-env.xml"
_OVF = "http://schemas.dmtf.org/ovf/environment/1"
_AZURE = "http://schemas.microsoft.com/windowsazure"


def provisioning_document(spec: MachineSpec) -> bytes:
    """ovf-env.xml of a Linux VM made with `spec`: host name, administrator, customData (base64)."""
    for prefix, space in (("ovf", _OVF), ("wa", _AZURE)):
        ElementTree.register_namespace(prefix, space)
    root = ElementTree.Element(f"{{{_OVF}}}Environment")
    section = _section(root, "ProvisioningSection")
    answers = {
        "ConfigurationSetType": "LinuxProvisioningConfiguration",
        "HostName": spec.computer_name,
        "UserName": spec.admin_username,
        "DisableSshPasswordAuthentication": "true",
    }
    if spec.custom_data is not None:
        answers["CustomData"] = base64.b64encode(spec.custom_data).decode()
    _fill(section, "LinuxProvisioningConfigurationSet", answers)
    _fill(
        _section(root, "PlatformSettingsSection"),
        "PlatformSettings",
        {"KmsServerHostname": "kms", "ProvisionGuestAgent": "true"},
    )
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def put_files(folder: Path, spec: MachineSpec) -> None:
    """Write below `folder` what the VM finds in its root file system when it boots. A guest that is to fail finds half of
    the document, which cloud-init takes for broken and reports."""
    document = provisioning_document(spec)
    _put(folder, SEED, document if spec.failure is None else document[: len(document) // 2], 0o600)
    _put(folder, "run/simulated-vm/asset-tag", f"{ASSET_TAG}\n".encode(), 0o444)
    _put(folder, "run/simulated-vm/uuid", f"{spec.vm_id}\n".encode(), 0o400)


def _section(root: ElementTree.Element, name: str) -> ElementTree.Element:
    section = ElementTree.SubElement(root, f"{{{_AZURE}}}{name}")
    ElementTree.SubElement(section, f"{{{_AZURE}}}Version").text = "1.0"
    return section


def _fill(section: ElementTree.Element, name: str, values: Mapping[str, str]) -> None:
    group = ElementTree.SubElement(section, f"{{{_AZURE}}}{name}")
    for key, value in values.items():
        ElementTree.SubElement(group, f"{{{_AZURE}}}{key}").text = value


def _put(folder: Path, path: str, content: bytes, mode: int) -> None:
    """Write one file; its folders get the usual mode, for they are copied over the VM's own."""
    place = folder
    for part in Path(path).parent.parts:
        place.mkdir(exist_ok=True)
        place.chmod(0o755)
        place /= part
    place.mkdir(exist_ok=True)
    place.chmod(0o755)
    file = folder / path
    file.write_bytes(content)
    file.chmod(mode)
