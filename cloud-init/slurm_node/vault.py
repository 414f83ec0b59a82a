"""Step `metadata`, and the munge key out of Azure Key Vault by the VM's managed identity."""

import base64
import binascii
import urllib.parse
from typing import Any

from slurm_node.metadata import COMPUTE, launch_of
from slurm_node.node import Node
from slurm_node.outcome import Outcome, Patience, StepFailed
from slurm_node.system import say
from slurm_node.web import ask, metadata_opener, place, vault_opener

IMDS_PATIENCE = 90.0
LAUNCH_PATIENCE = 3.0
TOKEN_PATIENCE = 90.0
VAULT_PATIENCE = 60.0


def wait_for_metadata(node: Node, patience: Patience, outcome: Outcome) -> None:
    """The metadata service may lag behind the network by some seconds; without a key to fetch it is not needed, and asked
    but briefly for the launch that the VM's tag names."""
    needed = node.munge.source == "key-vault"
    try:
        whole = patience.part(IMDS_PATIENCE if needed else LAUNCH_PATIENCE)
        compute = ask(node.imds + COMPUTE, {"Metadata": "true"}, metadata_opener(), whole)
    except StepFailed as failure:
        if needed:
            raise
        say(f"the launch is taken from user data: {failure}")
    else:
        outcome.launch = launch_of(compute) or outcome.launch


def fetch_key(node: Node, patience: Patience) -> bytes:
    """The munge key. Raises StepFailed, never with any part of a secret (Key Vault REST API 7.4, "Get Secret")."""
    token = ask(token_url(node), {"Metadata": "true"}, metadata_opener(), patience.part(TOKEN_PATIENCE))
    url = f"{node.munge.vault.rstrip('/')}/secrets/{node.munge.secret}?api-version=7.4"
    headers = {"Authorization": f"Bearer {token.get('access_token')}"}
    secret = ask(url, headers, vault_opener(node.authorities), patience.part(VAULT_PATIENCE), final=(404,))
    return decode_key(secret.get("value"), place(url))


def token_url(node: Node) -> str:
    """Where the metadata service hands out a token for the vault, for the node's own identity if one is named."""
    query = {"api-version": "2018-02-01", "resource": vault_resource(node.munge.vault)}
    if node.munge.identity:
        query["msi_res_id"] = node.munge.identity
    return f"{node.imds}/metadata/identity/oauth2/token?{urllib.parse.urlencode(query)}"


def vault_resource(vault: str) -> str:
    """What a token for `vault` must be for: https://vault.azure.net, or its like in a national cloud (vault.azure.cn)."""
    domain = (urllib.parse.urlsplit(vault).hostname or "").partition(".vault.")[2]
    return "https://vault." + (domain or "azure.net")


def decode_key(value: Any, where: str) -> bytes:
    """The key of a secret's value. Raises StepFailed."""
    try:
        key = base64.b64decode("".join(str(value).split()), validate=True)
    except (binascii.Error, ValueError):
        raise StepFailed(f"{where}: its value is not base64") from None
    if not 32 <= len(key) <= 1024:
        raise StepFailed(f"{where}: a munge key has 32 to 1024 bytes, this has {len(key)}")
    return key
