"""The way to the munge key: metadata service, token, vault, each with its own ways to refuse."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slurm_node.node import Controller, MungeKey, Node
from slurm_node.outcome import Outcome, StepFailed
from slurm_node.vault import decode_key, fetch_key, vault_resource, wait_for_metadata
from slurm_node.web import Answer, refusal

from slurm_azure.simulator.authority import tls_context
from tests.boot.patience import Clock
from tests.boot.services import Reply, ScriptedServer

KEY = bytes(range(128))
TOKEN = Reply(body={"access_token": "sesame"})
SECRET = Reply(body={"value": base64.b64encode(KEY).decode()})
IDENTITY = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i"
TOKEN_PATH, SECRET_PATH = "/metadata/identity/oauth2/token", "/secrets/munge-key"


def a_node(imds: str, vault: str, authorities: str | None = None) -> Node:
    """A node whose key is in `vault`."""
    munge = MungeKey("key-vault", vault, "munge-key", IDENTITY)
    return Node("az-1", "hb", "test", [Controller("10.0.0.4", 6817)], munge, authorities, [], 600.0, imds)


class Azure:
    """Metadata service and vault with their scripts; `fetch` asks them for the key with 100 s of patience."""

    def __init__(self, folder: Path, token: list[Reply], secret: list[Reply]) -> None:
        tls, ca = tls_context(folder, [])
        self.imds = ScriptedServer({TOKEN_PATH: token})
        self.vault = ScriptedServer({SECRET_PATH: secret}, tls=tls)
        self.authorities: str | None = ca.read_text(encoding="ascii")
        self.clock = Clock()

    def __enter__(self) -> Azure:
        return self

    def __exit__(self, *_: object) -> None:
        self.imds.__exit__()
        self.vault.__exit__()

    def fetch(self) -> bytes:
        return fetch_key(a_node(self.imds.url, self.vault.url, self.authorities), self.clock.patience(100))


def test_key_comes_by_identity(tmp_path: Path) -> None:
    """The token is asked for the node's own identity and the vault's resource, and shown to the vault alone."""
    with Azure(tmp_path, [TOKEN], [SECRET]) as azure:
        assert azure.fetch() == KEY
        [token] = azure.imds.asked
        [secret] = azure.vault.asked
    assert token.headers["Metadata"] == "true"
    assert token.query == {"api-version": "2018-02-01", "resource": "https://vault.azure.net", "msi_res_id": IDENTITY}
    assert (secret.headers["Authorization"], secret.query) == ("Bearer sesame", {"api-version": "7.4"})


def test_patient_with_a_fresh_identity(tmp_path: Path) -> None:
    """An identity that is not usable yet and a role that is not in force yet are waited for, with growing pauses."""
    no_identity = Reply(400, {"error": "invalid_request", "error_description": "Identity not found"})
    no_role = Reply(403, {"error": {"code": "Forbidden", "message": "no"}})
    with Azure(tmp_path, [no_identity, no_identity, TOKEN], [no_role, SECRET]) as azure:
        assert azure.fetch() == KEY
        assert azure.clock.pauses == [2.0, 4.0, 2.0]


def test_retry_after_is_obeyed(tmp_path: Path) -> None:
    """A throttled request comes back when it was told to."""
    with Azure(tmp_path, [Reply(429, headers={"Retry-After": "7"}), TOKEN], [SECRET]) as azure:
        assert azure.fetch() == KEY
        assert azure.clock.pauses == [7.0]


def test_vault_that_goes_on_refusing(tmp_path: Path) -> None:
    """Patience ends within its minute, with Azure's code and message, and without token or key in the text."""
    no = Reply(403, {"error": {"code": "Forbidden", "message": "Caller is not authorized\nto perform action."}})
    with Azure(tmp_path, [TOKEN], [no]) as azure:
        with pytest.raises(StepFailed, match="HTTP 403 Forbidden: Caller is not authorized to perform action") as caught:
            azure.fetch()
        assert sum(azure.clock.pauses) <= 60
    assert "sesame" not in str(caught.value)


def test_missing_secret_is_final(tmp_path: Path) -> None:
    """A secret that is not in the vault will not come by waiting."""
    with Azure(tmp_path, [TOKEN], [Reply(404, {"error": {"code": "SecretNotFound", "message": "not found"}})]) as azure:
        with pytest.raises(StepFailed, match="/secrets/munge-key: HTTP 404 SecretNotFound"):
            azure.fetch()
        assert azure.clock.pauses == []


def test_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    """Without the certificate of its authority the vault is not asked for anything."""
    with Azure(tmp_path, [TOKEN], [SECRET]) as azure:
        azure.authorities = None
        with pytest.raises(StepFailed, match="CERTIFICATE_VERIFY_FAILED"):
            azure.fetch()
        assert azure.vault.asked == []


def test_metadata_is_waited_for() -> None:
    """A metadata service that is not up yet is asked again; its answer ends the wait."""
    clock = Clock()
    with ScriptedServer({"/metadata/instance/compute": [Reply(503), Reply(503), Reply()]}) as imds:
        wait_for_metadata(a_node(imds.url, ""), clock.patience(100), Outcome())
        assert len(imds.asked) == 3


def test_no_metadata_service() -> None:
    """Nobody at the address ends in a text that names the URL."""
    with ScriptedServer({}) as imds:
        url = imds.url
    with pytest.raises(StepFailed, match=f"{url}/metadata/instance/compute: no answer: .*refused"):
        wait_for_metadata(a_node(url, ""), Clock().patience(20), Outcome())


@pytest.mark.parametrize(
    ("vault", "resource"),
    [
        ("https://v.vault.azure.net", "https://vault.azure.net"),
        ("https://v.vault.azure.cn/", "https://vault.azure.cn"),
        ("https://v.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"),
        ("https://v.privatelink.vaultcore.azure.net", "https://vault.azure.net"),
        ("https://10.66.0.1:8443", "https://vault.azure.net"),
    ],
)
def test_resource_of_the_vaults_cloud(vault: str, resource: str) -> None:
    """A token is for the vaults of the cloud that this vault is in."""
    assert vault_resource(vault) == resource


@pytest.mark.parametrize("value", [None, "", "c2hvcnQ=", "not base64!", base64.b64encode(bytes(1025)).decode(), 5])
def test_value_that_is_no_key(value: object) -> None:
    """A secret that is no munge key is refused, and its value is not in the text."""
    with pytest.raises(StepFailed) as caught:
        decode_key(value, "vault")
    assert str(value) not in str(caught.value) or not value


@given(st.binary(min_size=32, max_size=1024), st.integers(1, 80))
def test_key_round_trip(key: bytes, width: int) -> None:
    """Any munge key comes back from its base64, however that was broken into lines."""
    text = base64.b64encode(key).decode()
    lines = "\n".join(text[at : at + width] for at in range(0, len(text), width))
    assert decode_key(lines, "vault") == key


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[]", b'"x"', b'{"error": null}', b'{"error": {}}', b"<html>"])
def test_refusal_of_any_shape(body: bytes) -> None:
    """What is no Azure error is shown as it is, on one line, with the status."""
    assert refusal(Answer(500, body)).split()[:2] == ["HTTP", "500"]
