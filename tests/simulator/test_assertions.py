"""Workload identity: an assertion of an issuer that the principal trusts, by the real azure-identity, in place of a secret."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import WorkloadIdentityCredential
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.estate import DEFAULT, load
from tests.support.simulated_azure import CLIENT, SimulatedAzure, simulated_azure

ISSUER, SUBJECT = "https://issuer.example/cluster", "system:serviceaccount:slurm:daemon"
TENANT = DEFAULT["tenant"]


@dataclass(frozen=True)
class Site:
    """A simulated Azure with a principal that trusts an issuer, and that issuer's key."""

    azure: SimulatedAzure
    key: rsa.RSAPrivateKey
    folder: Path

    def credential(self, **claims: Any) -> WorkloadIdentityCredential:
        """Who holds a token file with these claims in place of the good ones."""
        now = int(time.time())
        good = {"iss": ISSUER, "sub": SUBJECT, "aud": "api://AzureADTokenExchange", "iat": now, "exp": now + 600}
        file = self.folder / "federated-token"
        file.write_text(jwt.encode(good | claims, self.key, algorithm="RS256", headers={"kid": "k1"}))
        return WorkloadIdentityCredential(
            tenant_id=TENANT,
            client_id=CLIENT,
            token_file_path=str(file),
            authority=self.azure.authority,
            disable_instance_discovery=True,
            connection_verify=self.azure.ca_file,
        )


def an_estate(folder: Path, keys: bytes) -> Path:
    """An estate file whose one service principal has no secret, and trusts the issuer of `keys`."""
    (folder / "issuer").write_bytes(keys)
    trust = {"issuer": ISSUER, "subject": SUBJECT, "keys_file": "issuer"}
    principal = {"name": "daemon", "client_id": CLIENT, "federated_credentials": [trust]}
    file = folder / "estate.json"
    file.write_text(json.dumps(DEFAULT | {"service_principals": [principal]}))
    return file


def key_set(key: rsa.RSAPrivateKey) -> bytes:
    """The JSON Web Key Set of an issuer."""
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
    return json.dumps({"keys": [public | {"kid": "k1", "use": "sig", "alg": "RS256"}]}).encode()


def pem(key: rsa.RSAPrivateKey) -> bytes:
    """The public key of an issuer alone."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture(params=[key_set, pem], ids=["key set", "pem"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with simulated_azure(estate=an_estate(tmp_path, request.param(key))) as azure:
        yield Site(azure, key, tmp_path)


def test_an_assertion_of_a_trusted_issuer_gives_a_token(site: Site) -> None:
    """Unmodified azure-identity gets a token for a federated token file, and it is the principal's."""
    with site.credential() as credential:
        token = credential.get_token("https://management.azure.com/.default").token
    assert jwt.decode(token, options={"verify_signature": False})["appid"] == CLIENT


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"iss": "https://issuer.example/other"}, 700211),
        ({"aud": "api://other"}, 700212),
        ({"sub": "system:serviceaccount:slurm:other"}, 700213),
        ({"exp": 1}, 700024),
    ],
)
def test_every_claim_has_to_be_the_registered_one(site: Site, claims: dict[str, Any], number: int) -> None:
    """Another issuer, audience or subject, or an assertion that is over: refused with Microsoft's number."""
    with site.credential(**claims) as credential, pytest.raises(ClientAuthenticationError, match=f"AADSTS{number}"):
        credential.get_token("https://management.azure.com/.default")


def test_another_key_of_the_same_issuer_is_refused(site: Site) -> None:
    """Who only claims to be the issuer gets no token."""
    forger = Site(site.azure, rsa.generate_private_key(public_exponent=65537, key_size=2048), site.folder)
    with forger.credential() as credential, pytest.raises(ClientAuthenticationError, match="AADSTS5006211"):
        credential.get_token("https://management.azure.com/.default")


@pytest.mark.parametrize("keys", [b"", b"{}", b'{"keys": []}', b"-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----"])
def test_keys_that_are_none_are_a_mistake_in_the_estate(tmp_path: Path, keys: bytes) -> None:
    """A file without a key is told with its place when the estate is read."""
    with pytest.raises(ConfigError, match=r"federated_credentials\[0\].keys_file: issuer is neither"):
        load(an_estate(tmp_path, keys), tmp_path)
