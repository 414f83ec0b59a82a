"""Tokens: by the real azure-identity with a secret and with a certificate, and what the endpoint refuses."""

from __future__ import annotations

import base64
import time
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import CertificateCredential, ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from slurm_azure.simulator.credentials import new_certificate
from tests.simulator.raw import Answer, arm, ask, token, vm_path
from tests.support.simulated_azure import CLIENT, READER, SECRET, SimulatedAzure, vm_body

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def trusted(azure: SimulatedAzure) -> dict[str, Any]:
    return {"authority": azure.authority, "disable_instance_discovery": True, "connection_verify": azure.ca_file}


def post(azure: SimulatedAzure, tenant: str | None = None, host: str | None = None, **form: str) -> Answer:
    """A request at the token endpoint; members of a good form can be replaced, or taken out with ''."""
    good = {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "client_secret": SECRET,
        "scope": "https://management.azure.com/.default",
    }
    content = {key: value for key, value in (good | form).items() if value}
    path = f"/{tenant or azure.tenant}/oauth2/v2.0/token"
    headers = {"Host": host} if host else None
    return ask(azure.authority, "POST", path, urlencode(content).encode(), headers, azure.ca_file)


def test_a_certificate_gives_a_token_that_resource_manager_takes(azure: SimulatedAzure) -> None:
    """Unmodified CertificateCredential signs an assertion, which is verified against the registered certificate."""
    with (
        CertificateCredential(azure.tenant, CLIENT, str(azure.certificate_file), **trusted(azure)) as credential,
        azure.compute(credential) as client,
    ):
        assert list(client.virtual_machines.list(azure.resource_group)) == []


def test_a_certificate_that_is_not_registered_is_refused(azure: SimulatedAzure) -> None:
    """Another key pair of the same client is AADSTS700027."""
    with (
        CertificateCredential(azure.tenant, CLIENT, certificate_data=new_certificate("other"), **trusted(azure)) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS700027"),
    ):
        credential.get_token("https://management.azure.com/.default")


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"iss": "someone"}, 700021),
        ({"aud": "https://elsewhere/token"}, 700023),
        ({"exp": 1}, 700024),
    ],
)
def test_an_assertion_has_to_be_about_this_login(azure: SimulatedAzure, claims: dict[str, Any], number: int) -> None:
    """Issuer, audience and time of a well-signed assertion are checked too; unchanged it is good."""
    pem = azure.certificate_file.read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    thumbprint = _thumbprint(pem)
    good = {
        "iss": CLIENT,
        "sub": CLIENT,
        "aud": f"{azure.authority}/{azure.tenant}/oauth2/v2.0/token",
        "exp": time.time() + 300,
    }

    def assertion(changes: dict[str, Any]) -> str:
        return jwt.encode(good | changes, key, "RS256", {"x5t": thumbprint})  # type: ignore[arg-type]  # an RSA key

    form = {"client_secret": "", "client_assertion_type": ASSERTION}
    assert post(azure, **form, client_assertion=assertion({})).status == 200
    refused = post(azure, **form, client_assertion=assertion(claims))
    assert (refused.status, refused.body["error_codes"]) == (401, [number])


def _thumbprint(pem: bytes) -> str:
    digest = x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA1())
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_a_wrong_secret_is_refused(azure: SimulatedAzure) -> None:
    """azure-identity raises with AADSTS7000215, and the answer does not repeat the secret."""
    with (
        ClientSecretCredential(azure.tenant, CLIENT, "wrong-secret", **trusted(azure)) as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215") as refused,
    ):
        credential.get_token("https://management.azure.com/.default")
    assert "wrong-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("form", "status", "error", "number"),
    [
        ({"client_id": "00000000-0000-0000-0000-000000000000"}, 400, "unauthorized_client", 700016),
        ({"client_secret": ""}, 401, "invalid_client", 7000218),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
        ({"scope": "https://management.azure.com"}, 400, "invalid_scope", 1002012),
        ({"scope": "https://elsewhere.example/.default"}, 400, "invalid_resource", 500011),
        ({"tenant": "11111111-0000-0000-0000-000000000000"}, 400, "invalid_request", 90002),
    ],
)
def test_bad_token_requests_have_microsofts_numbers(
    azure: SimulatedAzure, form: dict[str, str], status: int, error: str, number: int
) -> None:
    """OAuth's error, the AADSTS number and its text, as Entra ID writes them."""
    answer = post(azure, **form)
    assert (answer.status, answer.body["error"], answer.body["error_codes"]) == (status, error, [number])
    assert answer.body["error_description"].startswith(f"AADSTS{number}: ")


def test_the_configuration_is_that_of_the_host_that_was_asked(azure: SimulatedAzure) -> None:
    """Reached as login.microsoftonline.com, all URLs are of that name; reached by address, of the address."""
    path = f"/{azure.tenant}/v2.0/.well-known/openid-configuration"
    for host in ("login.microsoftonline.com", azure.authority.removeprefix("https://")):
        found = ask(azure.authority, "GET", path, headers={"Host": host}, ca_file=azure.ca_file).body
        assert found["token_endpoint"] == f"https://{host}/{azure.tenant}/oauth2/v2.0/token"
        discovery = f"/common/discovery/instance?authorization_endpoint=https://{host}/{azure.tenant}/oauth2/v2.0/authorize"
        instance = ask(azure.authority, "GET", discovery, headers={"Host": host}, ca_file=azure.ca_file).body
        assert instance["tenant_discovery_endpoint"] == f"https://{host}{path}"


def test_tokens_can_be_verified_with_the_published_keys(azure: SimulatedAzure) -> None:
    """The key set holds the key that tokens are signed with; their claims are those of an app token."""
    keys = ask(azure.authority, "GET", f"/{azure.tenant}/discovery/v2.0/keys", ca_file=azure.ca_file).body
    (key,) = jwt.PyJWKSet.from_dict(keys).keys
    claims = jwt.decode(token(azure), key, ["RS256"], audience="https://management.azure.com")
    assert (claims["appid"], claims["tid"], claims["exp"] - claims["iat"]) == (CLIENT, azure.tenant, 3599)


def test_resource_manager_wants_a_token(azure: SimulatedAzure) -> None:
    """No token, a broken one, one of another audience and one that is over: 401, each with its code and a challenge."""
    path = vm_path(azure) + "?api-version=2026-04-01"
    wrong = token(azure, "https://vault.azure.net")
    for header, code in [
        ({}, "AuthenticationFailed"),
        ({"Authorization": "Basic abc"}, "AuthenticationFailed"),
        ({"Authorization": "Bearer abc"}, "InvalidAuthenticationToken"),
        ({"Authorization": f"Bearer {token(azure)[:-9]}AAAAAAAAA"}, "InvalidAuthenticationToken"),
        ({"Authorization": f"Bearer {wrong}"}, "InvalidAuthenticationTokenAudience"),
    ]:
        answer = ask(azure.endpoint, "GET", path, headers=header, ca_file=azure.ca_file)
        assert (answer.status, answer.code) == (401, code)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
        assert answer.headers["x-ms-request-id"]


def test_tokens_end(slow_azure: SimulatedAzure) -> None:
    """An hour after it was given a token is ExpiredAuthenticationToken."""
    azure = slow_azure
    header = {"Authorization": f"Bearer {token(azure)}"}
    path = vm_path(azure) + "?api-version=2026-04-01"
    assert ask(azure.endpoint, "GET", path, headers=header, ca_file=azure.ca_file).status == 200
    azure.advance(3600)
    answer = ask(azure.endpoint, "GET", path, headers=header, ca_file=azure.ca_file)
    assert (answer.status, answer.code) == (401, "ExpiredAuthenticationToken")


def test_who_may_only_read_cannot_create(azure: SimulatedAzure) -> None:
    """A principal with the action */read lists VMs, and is refused a create with AuthorizationFailed naming the action."""
    body: Any = vm_body(azure)
    with (
        ClientSecretCredential(azure.tenant, READER, "only reads", **trusted(azure)) as credential,
        azure.compute(credential) as client,
    ):
        assert list(client.virtual_machines.list(azure.resource_group)) == []
        with pytest.raises(HttpResponseError, match=r"Microsoft\.Compute/virtualMachines/write") as refused:
            client.virtual_machines.begin_create_or_update(azure.resource_group, "vm-1", body)
    assert refused.value.error is not None
    assert (refused.value.status_code, refused.value.error.code) == (403, "AuthorizationFailed")


def test_the_api_version_is_required_and_checked(azure: SimulatedAzure) -> None:
    """Without api-version 400 MissingApiVersionParameter, with nonsense 400 InvalidApiVersionParameter."""
    header = {"Authorization": f"Bearer {token(azure)}"}
    for query, code in [("", "MissingApiVersionParameter"), ("?api-version=latest", "InvalidApiVersionParameter")]:
        answer = ask(azure.endpoint, "GET", vm_path(azure) + query, headers=header, ca_file=azure.ca_file)
        assert (answer.status, answer.code) == (400, code)


def test_what_is_not_there_has_azures_answers(azure: SimulatedAzure) -> None:
    """Unknown types, providers, methods, subscriptions, and what is no subscription's id: each with its code."""
    unknown = f"{azure.group_path}/providers/Microsoft.Compute/unheardOf/x"
    assert (arm(azure, "GET", unknown).status, arm(azure, "GET", unknown).code) == (404, "InvalidResourceType")
    assert arm(azure, "POST", vm_path(azure, "vm-1")).status == 405
    elsewhere = vm_path(azure).replace(azure.subscription, "00000000-0000-0000-0000-000000000000")
    assert arm(azure, "GET", elsewhere).code == "SubscriptionNotFound"
    nobody = f"{azure.group_path}/providers/Microsoft.Unheard/of/x"
    assert (arm(azure, "GET", nobody).status, arm(azure, "GET", nobody).code) == (404, "InvalidResourceNamespace")
    malformed = arm(azure, "GET", "/subscriptions/pay-as-you-go/resourcegroups")
    assert (malformed.status, malformed.code) == (400, "InvalidSubscriptionId")


def test_answers_can_be_traced(azure: SimulatedAzure) -> None:
    """Each has ids of its own; the caller may name the correlation, and asks to have its own id told back."""
    header = {"Authorization": f"Bearer {token(azure)}"}
    path = f"{vm_path(azure)}?api-version=2024-07-01"
    plain = ask(azure.endpoint, "GET", path, headers=header, ca_file=azure.ca_file).headers
    assert plain["x-ms-correlation-request-id"] == plain["x-ms-request-id"]
    assert plain["x-ms-routing-request-id"].endswith(f"Z:{plain['x-ms-request-id']}")
    assert plain["x-ms-client-request-id"] is None
    mine = {"x-ms-correlation-request-id": "c0", "x-ms-client-request-id": "r0", "x-ms-return-client-request-id": "true"}
    told = ask(azure.endpoint, "GET", path, headers=header | mine, ca_file=azure.ca_file).headers
    assert (told["x-ms-correlation-request-id"], told["x-ms-client-request-id"]) == ("c0", "r0")
    assert told["x-ms-request-id"] != "c0"
