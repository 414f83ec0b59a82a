"""A small sound configuration, for tests that need one."""

from __future__ import annotations

from typing import Any

from slurm_azure.config import Config

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
SUBNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s"


def a_document(nodes: str = "az-[1-50]", **changes: Any) -> dict[str, Any]:
    """slurm-azure.yaml as plain data: one pool `hb` of `nodes`, one partition `cloud`; top-level keys as given replace."""
    document: dict[str, Any] = {
        "cluster": "test",
        "azure": {"subscription": SUBSCRIPTION, "resource_group": "rg", "location": "westeurope", "subnet": SUBNET},
        "slurm": {"controllers": ["10.0.0.4"]},
        "munge": {"source": "image"},
        "ssh": {"keys": ["ssh-ed25519 AAAA test"]},
        "pools": {"hb": {"nodes": nodes, "sizes": ["Standard_F2s_v2"], "image": {"marketplace": "a:b:c:latest"}}},
        "partitions": {"cloud": {"pools": ["hb"], "resume_timeout": 600.0}},
        "metrics": {"listen": "off"},
    }
    document.update(changes)
    return document


def a_config(nodes: str = "az-[1-50]", **changes: Any) -> Config:
    """The same, as a Config."""
    return Config.model_validate(a_document(nodes, **changes))
