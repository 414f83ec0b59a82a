"""What the site has in the simulated Azure: a subscription, a network, the daemon's principal, the nodes' identity, a vault."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from slurm_azure.demo.cache import CHECKOUT
from slurm_azure.demo.fabric import BURST_SUBNET, HEAD_ADDRESS, HEAD_SUBNET

TENANT = "5e1fca5e-0000-4000-8000-00000000a001"
SUBSCRIPTION = "5e1fca5e-0000-4000-8000-00000000b001"
CLIENT = "5e1fca5e-0000-4000-8000-00000000d001"
AUDITOR = "5e1fca5e-0000-4000-8000-00000000d003"
RESOURCE_GROUP = "slurm-burst"
SECRET_FILE, AUDITOR_SECRET, MUNGE_KEY = "daemon.secret", "auditor.secret", "munge.key"
_VAULT = "Microsoft.KeyVault/vaults/miniature"


def estate() -> dict[str, Any]:
    """The estate as the simulator reads it; the secret and the munge key are made when it first does.

    The daemon has the role that the product ships, assigned where docs/administration.md says: it could not even list network
    interfaces and disks, so whoever looks whether any are left is a principal of their own.
    """
    identity = {
        "name": "slurm-nodes",
        "resource_group": RESOURCE_GROUP,
        "client_id": "5e1fca5e-0000-4000-8000-00000000c001",
        "principal_id": "5e1fca5e-0000-4000-8000-00000000c002",
    }
    # The head node, which is the NFS server too, is no VM of the simulator: its address would go to the first one made here.
    head = {"prefix": HEAD_SUBNET, "taken": [HEAD_ADDRESS.partition("/")[0]]}
    network = {"name": "vnet", "resource_group": "net", "subnets": {"head": head, "burst": BURST_SUBNET}}
    subscription = {
        "id": SUBSCRIPTION,
        "name": "site in miniature",
        "resource_groups": [RESOURCE_GROUP, "net"],
        "virtual_networks": [network],
        "identities": [identity],
    }
    daemon = _principal("slurm-azured", CLIENT, "5e1fca5e-0000-4000-8000-00000000d002", SECRET_FILE)
    auditor = _principal("auditor", AUDITOR, "5e1fca5e-0000-4000-8000-00000000d004", AUDITOR_SECRET)
    key = {"file": MUNGE_KEY, "encoding": "base64", "generate": 1024}
    vault = {"name": "miniature", "resource_group": RESOURCE_GROUP, "secrets": {"munge-key": key}}
    role = json.loads((CHECKOUT / "etc/azure-role.json").read_text(encoding="utf-8").replace("SUBSCRIPTION", SUBSCRIPTION))
    return {
        "tenant": TENANT,
        "location": "westeurope",
        "subscriptions": [subscription],
        "service_principals": [daemon, auditor],
        "vaults": [vault],
        "role_definitions": [role],
        "role_assignments": _role_assignments(role["Name"]),
    }


def _principal(name: str, client: str, object_id: str, secret: str) -> dict[str, Any]:
    return {"name": name, "client_id": client, "object_id": object_id, "secret_file": secret, "generate": True}


def _role_assignments(role: str) -> list[dict[str, str]]:
    groups = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
    group = f"{groups}/{RESOURCE_GROUP}"
    subnet = f"{groups}/net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/burst"
    return [
        {"principal": "slurm-azured", "role": role, "scope": group},
        {"principal": "slurm-azured", "role": role, "scope": subnet},
        {"principal": "auditor", "role": "Reader", "scope": group},
        {"principal": "slurm-nodes", "role": "Key Vault Secrets User", "scope": f"{group}/providers/{_VAULT}"},
    ]


def write_estate(file: Path) -> None:
    """Write the estate for the simulator; the files it names stand beside it."""
    file.write_text(json.dumps(estate(), indent=1), encoding="utf-8")
