"""Assertions in place of a secret: signed by the client's own certificate, or by an issuer that the client trusts.

Sources: "Certificate credentials for application authentication", "Workload identity federation concepts", "Microsoft Entra
authentication and authorization error codes" (Microsoft Learn; AADSTS700211 to 700213 for what does not match).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from slurm_azure.simulator.estate import FederatedCredential, Principal

_UNCHECKED: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}


class Denied(Exception):
    """The token endpoint says no: HTTP status, OAuth error, AADSTS number, text."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.number, self.text = status, error, number, text


def _denied(number: int, text: str) -> Denied:
    return Denied(401, "invalid_client", number, text)


def check(principal: Principal, assertion: str, endpoints: frozenset[str], now: float) -> None:
    """Raises Denied unless `assertion` (a JWT) shows that its sender is `principal`. `endpoints` are the audiences that an own
    assertion may have, in lower case; `now` is in seconds since 1970."""
    try:
        header = jwt.get_unverified_header(assertion)
        issuer = str(jwt.decode(assertion, options={"verify_signature": False}).get("iss"))
    except jwt.InvalidTokenError:
        raise _denied(50027, "JWT token is invalid or malformed.") from None
    if principal.federated and issuer != principal.client_id:
        claims = _federated(principal, assertion, issuer, header)
    else:
        claims = _own(principal, assertion, header, endpoints)
    if not float(claims.get("exp", 0)) > now:
        raise _denied(700024, "Client assertion is not within its valid time range.")


def _own(principal: Principal, assertion: str, header: Mapping[str, Any], endpoints: frozenset[str]) -> dict[str, Any]:
    if principal.certificate is None:
        raise _denied(700027, "Client assertion failed signature validation: no key is registered.")
    certificate = x509.load_pem_x509_certificate(principal.certificate)
    if not _names_certificate(header, certificate):
        raise _denied(700027, "The certificate with this thumbprint is not registered.")
    public = certificate.public_key()
    assert isinstance(public, RSAPublicKey)
    try:
        claims: dict[str, Any] = jwt.decode(assertion, public, algorithms=["RS256", "PS256"], options=_UNCHECKED)
    except jwt.InvalidTokenError:
        raise _denied(700027, "Client assertion failed signature validation.") from None
    if not claims.get("iss") == claims.get("sub") == principal.client_id:
        raise _denied(700021, "Client assertion issuer and subject have to be the client id.")
    if str(claims.get("aud")).rstrip("/").lower() not in endpoints:
        raise _denied(700023, "Client assertion audience claim does not match the token endpoint.")
    return claims


def _federated(principal: Principal, assertion: str, issuer: str, header: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of a trusted issuer's assertion: issuer, subject and audience have to be those of one registered record,
    letter by letter."""
    known = [one for one in principal.federated if one.issuer == issuer]
    if not known:
        raise _denied(700211, f"No matching federated identity record found for presented assertion issuer '{issuer}'.")
    claims = _verified(known, assertion, header)
    known = [one for one in known if one.subject == claims.get("sub")]
    if not known:
        text = f"No matching federated identity record found for presented assertion subject '{claims.get('sub')}'."
        raise _denied(700213, text)
    audiences = claims.get("aud")
    given = set(audiences if isinstance(audiences, list) else [audiences])
    if not any(given & set(one.audiences) for one in known):
        text = f"No matching federated identity record found for presented assertion audience '{audiences}'."
        raise _denied(700212, text)
    return claims


def _verified(known: list[FederatedCredential], assertion: str, header: Mapping[str, Any]) -> dict[str, Any]:
    for credential in known:
        for key in _keys(credential, header):
            try:
                claims: dict[str, Any] = jwt.decode(assertion, key, algorithms=["RS256"], options=_UNCHECKED)
                return claims
            except jwt.InvalidTokenError:
                continue
    raise _denied(5006211, "The signature of the assertion cannot be verified with the keys of its issuer.")


def _keys(credential: FederatedCredential, header: Mapping[str, Any]) -> list[RSAPublicKey]:
    """The issuer's keys that the header names, or all where it names none of them."""
    chosen = [key for name, key in credential.keys if name == header.get("kid")]
    return chosen or [key for _, key in credential.keys]


def _names_certificate(header: Mapping[str, Any], certificate: x509.Certificate) -> bool:
    """Whether the assertion's header names this certificate, by SHA-1 (x5t) or SHA-256 (x5t#S256) thumbprint."""
    expected = {
        "x5t": certificate.fingerprint(hashes.SHA1()),
        "x5t#S256": certificate.fingerprint(hashes.SHA256()),
    }
    given = [(name, str(header[name])) for name in expected if name in header]
    return bool(given) and all(_unpadded(expected[name]) == value.rstrip("=") for name, value in given)


def _unpadded(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
