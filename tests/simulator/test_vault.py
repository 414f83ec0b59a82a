"""Key Vault: the challenge, the secret, and who may read it."""

from __future__ import annotations

import pytest

from tests.simulator.raw import Answer, arm, ask, token, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body

HOST = "mycluster.vault.azure.net"


def get(azure: SimulatedAzure, path: str, bearer: str | None = None, host: str | None = HOST) -> Answer:
    headers = ({"Host": host} if host else {}) | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    return ask(azure.endpoint, "GET", path, headers=headers, ca_file=azure.ca_file)


@pytest.fixture
def node_token(azure: SimulatedAzure) -> str:
    """A token of the nodes' identity, as a VM gets it from its metadata service."""
    identity = {"type": "UserAssigned", "userAssignedIdentities": {azure.identity_id: {}}}
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, top={"identity": identity}))
    path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
    answer = ask(azure.imds, "GET", path, headers={"Metadata": "true"}, source=azure.vms()[0]["ip"])
    found: str = answer.body["access_token"]
    return found


def test_without_a_token_the_vault_says_where_to_get_one(azure: SimulatedAzure) -> None:
    """401 with the authority and the resource of the challenge that Key Vault clients read."""
    answer = get(azure, "/secrets/munge-key?api-version=7.4")
    assert (answer.status, answer.code) == (401, "Unauthorized")
    expected = f'Bearer authorization="https://login.microsoftonline.com/{azure.tenant}", resource="https://vault.azure.net"'
    assert answer.headers["WWW-Authenticate"] == expected


def test_a_node_reads_its_secret(azure: SimulatedAzure, node_token: str) -> None:
    """Latest and by version, by host name and by path, with the attributes of a secret bundle."""
    latest = get(azure, "/secrets/munge-key?api-version=7.4", node_token)
    assert (latest.status, latest.body["value"]) == (200, "bXVuZ2U=")
    version = latest.body["id"].removeprefix(f"https://{HOST}/secrets/munge-key/")
    assert len(version) == 32
    for path, host in [
        (f"/secrets/munge-key/{version}?api-version=7.4", HOST),
        ("/secrets/munge-key/?api-version=7.4", HOST),
        ("/vaults/mycluster/secrets/munge-key?api-version=7.4", None),
        ("/secrets/munge-key?api-version=7.4", None),
    ]:
        assert get(azure, path, node_token, host).body == latest.body


def test_what_the_vault_refuses(azure: SimulatedAzure, node_token: str) -> None:
    """Another principal, another audience, absent secrets, versions and vaults: each its own status."""
    secret = "/secrets/munge-key?api-version=7.4"
    assert get(azure, secret, token(azure, "https://vault.azure.net")).status == 403
    assert get(azure, secret, token(azure)).status == 401
    assert get(azure, "/secrets/absent?api-version=7.4", node_token).code == "SecretNotFound"
    assert get(azure, "/secrets/munge-key/00?api-version=7.4", node_token).code == "SecretNotFound"
    assert get(azure, secret, node_token, "absent.vault.azure.net").status == 404
    assert get(azure, "/secrets/munge-key?api-version=2016", node_token).status == 400
    assert get(azure, "/keys/k?api-version=7.4", node_token).status == 404


def test_nodes_have_no_rights_in_resource_manager(azure: SimulatedAzure) -> None:
    """The nodes' identity has no role: its token is good, and is refused with 403."""
    identity = {"type": "UserAssigned", "userAssignedIdentities": {azure.identity_id: {}}}
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, top={"identity": identity}))
    path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"
    answer = ask(azure.imds, "GET", path, headers={"Metadata": "true"}, source=azure.vms()[0]["ip"])
    header = {"Authorization": f"Bearer {answer.body['access_token']}"}
    listed = ask(azure.endpoint, "GET", vm_path(azure) + "?api-version=2024-07-01", headers=header, ca_file=azure.ca_file)
    assert (listed.status, listed.code) == (403, "AuthorizationFailed")
