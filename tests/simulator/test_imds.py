"""The metadata service, asked from the address of a VM (all of 127/8 is this machine's)."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ManagedIdentityCredential
from requests.adapters import HTTPAdapter

from tests.simulator.raw import Answer, arm, ask, vm_path
from tests.support.simulated_azure import NODE_CLIENT, SimulatedAzure, vm_body

TOKEN = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net"
INSTANCE = "/metadata/instance"


@pytest.fixture
def vm(azure: SimulatedAzure) -> dict[str, Any]:
    """A VM with tags, userData, customData and the nodes' identity."""
    top = {
        "tags": {"cluster": "c1", "node": "az-1"},
        "identity": {"type": "UserAssigned", "userAssignedIdentities": {azure.identity_id: {}}},
        "zones": ["2"],
    }
    body = vm_body(azure, top=top, userData=base64.b64encode(b"#cloud-config").decode(), priority="Spot")
    body["properties"]["osProfile"]["customData"] = base64.b64encode(b"custom").decode()
    assert arm(azure, "PUT", vm_path(azure, "az-1-77"), body).status == 201
    return azure.vms()[0]


def metadata(azure: SimulatedAzure, vm: dict[str, Any], path: str, **headers: str) -> Answer:
    found = {"Metadata": "true"} | {name.replace("_", "-"): value for name, value in headers.items()}
    return ask(azure.imds, "GET", path, headers=found, source=vm["ip"])


def test_the_instance_document_is_what_cloud_init_reads(azure: SimulatedAzure, vm: dict[str, Any]) -> None:
    """Names, keys, user data, network and preprovisioning state, at the api-version cloud-init asks for."""
    answer = metadata(azure, vm, f"{INSTANCE}?api-version=2021-08-01&extended=true")
    compute, (interface,) = answer.body["compute"], answer.body["network"]["interface"]
    assert compute["osProfile"] == {
        "adminUsername": "azureuser",
        "computerName": "az-1",
        "disablePasswordAuthentication": "true",
    }
    assert (compute["name"], compute["vmId"], compute["zone"], compute["priority"]) == ("az-1-77", vm["vmId"], "2", "Spot")
    assert compute["publicKeys"][0]["keyData"] == "ssh-ed25519 AAAAC3Nz test"
    assert base64.b64decode(compute["userData"]) == b"#cloud-config"
    assert compute["customData"] == "", "customData is not in the metadata service"
    assert compute["tags"] == "cluster:c1;node:az-1"
    assert compute["tagsList"] == [{"name": "cluster", "value": "c1"}, {"name": "node", "value": "az-1"}]
    assert interface["macAddress"] == vm["mac"].replace(":", "").upper()
    assert interface["ipv4"]["ipAddress"] == [{"privateIpAddress": vm["ip"], "publicIpAddress": ""}]
    assert interface["ipv4"]["subnet"] == [{"address": "127.66.0.0", "prefix": "16"}]
    assert answer.body["extended"]["compute"] == {"hasCustomData": True, "ppsType": "None"}


def test_every_scalar_is_text(azure: SimulatedAzure, vm: dict[str, Any]) -> None:
    """The metadata service writes numbers and booleans as strings."""

    def scalars(value: Any) -> list[Any]:
        if isinstance(value, dict):
            return [item for member in value.values() for item in scalars(member)]
        return [item for member in value for item in scalars(member)] if isinstance(value, list) else [value]

    found = metadata(azure, vm, f"{INSTANCE}?api-version=2021-08-01").body
    assert {type(value) for value in scalars(found)} == {str}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/compute/vmId?format=text", None),
        ("/compute/osProfile/computerName?format=text", b"az-1"),
        ("/network/interface/0/ipv4/ipAddress/0/privateIpAddress?format=text", b"127.66.0.4"),
    ],
)
def test_parts_can_be_asked_for(azure: SimulatedAzure, vm: dict[str, Any], path: str, expected: bytes | None) -> None:
    """A path into the document gives that part, a single value as text."""
    answer = metadata(azure, vm, f"{INSTANCE}{path}&api-version=2021-02-01")
    assert (answer.status, answer.text) == (200, expected or vm["vmId"].encode())


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{INSTANCE}/compute/vmId?api-version=2021-02-01", 400),
        (f"{INSTANCE}/compute/absent?api-version=2021-02-01", 404),
        (f"{INSTANCE}/network/interface/7?api-version=2021-02-01", 404),
        (INSTANCE, 400),
        (f"{INSTANCE}?api-version=yesterday", 400),
        (f"{INSTANCE}?api-version=2021-02-02", 400),
        ("/metadata/other?api-version=2021-02-01", 404),
        ("/metadata/versions", 200),
        ("/metadata/scheduledevents?api-version=2020-07-01", 200),
        ("/other", 404),
    ],
)
def test_other_paths(azure: SimulatedAzure, vm: dict[str, Any], path: str, status: int) -> None:
    """What is wrong or unknown is refused with its status; versions and the empty list of events are there."""
    assert metadata(azure, vm, path).status == status


@pytest.mark.parametrize(
    ("version", "there", "missing"),
    [
        ("2017-04-02", "vmId", "tags"),
        ("2018-02-01", "zone", "azEnvironment"),
        ("2019-06-01", "storageProfile", "tagsList"),
        ("2020-07-15", "osProfile", "priority"),
        ("2021-02-01", "userData", "platformSubFaultDomain"),
        ("2023-07-01", "additionalCapabilities", "tags-to-come"),
    ],
)
def test_each_version_has_its_members(
    azure: SimulatedAzure, vm: dict[str, Any], version: str, there: str, missing: str
) -> None:
    """A member is shown from the version on that brought it, as the table of the documentation says."""
    compute = metadata(azure, vm, f"{INSTANCE}/compute?api-version={version}").body
    assert there in compute
    assert missing not in compute


def test_members_within_members_have_versions_too(azure: SimulatedAzure, vm: dict[str, Any]) -> None:
    """Of 2021-02-01 the security profile has two members, and the local disk is told in kilobytes."""
    compute = metadata(azure, vm, f"{INSTANCE}/compute?api-version=2021-02-01").body
    assert compute["securityProfile"] == {"secureBootEnabled": "false", "virtualTpmEnabled": "false"}
    assert compute["storageProfile"]["imageReference"].keys() == {"id", "offer", "publisher", "sku", "version"}
    assert int(compute["storageProfile"]["resourceDisk"]["size"]) % 1024 == 0
    newest = metadata(azure, vm, f"{INSTANCE}/compute?api-version=2023-07-01").body
    assert newest["securityProfile"]["encryptionAtHost"] == "false"


def test_what_is_not_a_single_value_is_listed_as_text(azure: SimulatedAzure, vm: dict[str, Any]) -> None:
    """With format=text a part of the document is the names in it, those with more beneath them with a slash."""
    listed = metadata(azure, vm, f"{INSTANCE}?api-version=2021-02-01&format=text")
    assert listed.text == b"compute/\nnetwork/"
    assert metadata(azure, vm, f"{INSTANCE}/network/interface?api-version=2021-02-01&format=text").text == b"0/"


def test_a_missing_version_is_told_with_the_newest(azure: SimulatedAzure, vm: dict[str, Any]) -> None:
    """The documented words, and the three newest versions."""
    refused = metadata(azure, vm, INSTANCE).body
    words = "Bad request. api-version was not specified in the request. For more information refer to aka.ms/azureimds"
    assert refused == {"error": words, "newest-versions": ["2023-07-01", "2021-12-13", "2021-11-15"]}
    known = metadata(azure, vm, "/metadata/versions").body["apiVersions"]
    assert known[:2] == ["2017-03-01", "2017-04-02"]


def test_the_metadata_header_is_required(azure: SimulatedAzure, vm: dict[str, Any]) -> None:
    """Without `Metadata: true`, or through a proxy, 400: what a browser or a forwarder could be made to ask."""
    for path in (f"{INSTANCE}?api-version=2021-02-01", TOKEN):
        assert ask(azure.imds, "GET", path, source=vm["ip"]).status == 400
        assert metadata(azure, vm, path, X_Forwarded_For="1.2.3.4").status == 400


def test_a_stranger_learns_nothing(azure: SimulatedAzure, vm: dict[str, Any]) -> None:
    """An address that is no VM's gets neither a document nor a token."""
    stranger = vm | {"ip": "127.66.9.9"}
    for path in (f"{INSTANCE}?api-version=2021-02-01", TOKEN):
        assert metadata(azure, stranger, path).status == 404


def test_an_identity_token_for_the_right_identity_only(azure: SimulatedAzure, vm: dict[str, Any]) -> None:
    """By client id, object id or resource id, or the only one there is; another identity is not found."""
    principal = "7e571e57-0000-4000-8000-00000000c002"
    for choice in ("", f"&client_id={NODE_CLIENT}", f"&object_id={principal}", f"&msi_res_id={azure.identity_id}"):
        answer = metadata(azure, vm, TOKEN + choice)
        assert (answer.status, answer.body["client_id"], answer.body["token_type"]) == (200, NODE_CLIENT, "Bearer")
        assert answer.body["expires_in"] == "86399"
    refused = metadata(azure, vm, f"{TOKEN}&client_id=other")
    assert (refused.status, refused.body["error_description"]) == (400, "Identity not found")
    assert metadata(azure, vm, TOKEN.partition("&")[0]).status == 400
    assert metadata(azure, vm, TOKEN.replace("vault.azure.net", "else.where")).status == 400


def test_a_vm_without_an_identity_gets_no_token(azure: SimulatedAzure) -> None:
    """400 `Identity not found`."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    assert metadata(azure, azure.vms()[0], TOKEN).body["error_description"] == "Identity not found"


def test_a_system_assigned_identity_is_the_vms_own(azure: SimulatedAzure) -> None:
    """Shown in the VM's model with principal and tenant; its token names that principal."""
    made = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, top={"identity": {"type": "SystemAssigned"}}))
    answer = metadata(azure, azure.vms()[0], TOKEN)
    claims = json.loads(base64.urlsafe_b64decode(answer.body["access_token"].split(".")[1] + "=="))
    assert claims["oid"] == made.body["identity"]["principalId"]
    assert claims["xms_mirid"].endswith("/virtualMachines/vm-1")


class _FromVm(HTTPAdapter):
    """Calls from a VM's address."""

    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Bind every connection to the address."""
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)


def test_unmodified_managed_identity_credential(
    azure: SimulatedAzure, vm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """azure-identity's ManagedIdentityCredential gets a token for the identity the VM has, and none for another."""
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.imds)
    session = requests.Session()
    session.mount("http://", _FromVm(vm["ip"]))
    with session:
        transport = RequestsTransport(session=session, session_owner=False)
        good = ManagedIdentityCredential(client_id=NODE_CLIENT, transport=transport)
        assert good.get_token("https://vault.azure.net/.default").token.count(".") == 2
        bad = ManagedIdentityCredential(client_id="other", transport=transport)
        with pytest.raises(ClientAuthenticationError):
            bad.get_token("https://vault.azure.net/.default")
