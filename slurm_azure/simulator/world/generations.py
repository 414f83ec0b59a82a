"""The generation of a VM's virtual hardware, which its instance view tells as `hyperVGeneration`.

It is the image's, among those that the size can have ("Support for generation 2 VMs on Azure"). No image is looked into here:
publishers of marketplace images write the generation into the name of the sku ("22_04-lts-gen2", "2019-datacenter-gensecond",
"9-lvm-gen2", "win10-22h2-pro-g2"), and what has no such mark is of generation 1, but for offers that began after generation 2
and mark the other one ("ubuntu-24_04-lts" with "server" and "server-gen1").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.world.skus import Size
from slurm_azure.simulator.world.vm import part

_FIRST = re.compile(r"gen1|-g1\b")
_SECOND = re.compile(r"gen2|gensecond|g2\b|cvm|arm64|azure-edition|win11")
_SECOND_UNLESS_MARKED = ("ubuntu-", "windows-11")


def generation(size: Size, model: Mapping[str, Any]) -> str:
    """V1 or V2, for a VM of that size with that model (the `properties` of its body)."""
    offered = size.capabilities.get("HyperVGenerations", "V1,V2").split(",")
    if len(offered) == 1:
        return offered[0]
    storage = part(model, "storageProfile")
    secured = part(model, "securityProfile").get("securityType") in ("TrustedLaunch", "ConfidentialVM")
    if secured or storage.get("diskControllerType") == "NVMe":
        return "V2"
    return _of_image(part(storage, "imageReference"))


def _of_image(image: Mapping[str, Any]) -> str:
    """An image of one's own does not tell it: it is taken for one of generation 2, as most are made today."""
    offer, sku = str(image.get("offer", "")).lower(), str(image.get("sku", "")).lower()
    if not sku or (_SECOND.search(sku) and not _FIRST.search(sku)):
        return "V2"
    return "V2" if offer.startswith(_SECOND_UNLESS_MARKED) and not _FIRST.search(sku) else "V1"
