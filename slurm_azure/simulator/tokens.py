"""Access tokens: signed JWTs in the shape Microsoft Entra ID gives them.

Source: "Access tokens in the Microsoft identity platform" (Microsoft Learn).
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from slurm_azure.errors import ConfigError
from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.credentials import private_pem, read_or_make
from slurm_azure.simulator.estate import Principal


class TokenRejected(Exception):
    """A token is not ours, is damaged, or is over; `expired` tells the last."""

    def __init__(self, message: str, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good token says: for which resource, who (client id), until when (seconds since 1970)."""

    audience: str
    client_id: str
    object_id: str
    expires: float


class Tokens:
    """Issues tokens of one tenant, signed with `key`, and checks them."""

    _REMEMBER = 1000  # checked tokens; a check costs some 60 microseconds, a look-up next to nothing

    def __init__(self, key: rsa.RSAPrivateKey, tenant: str, clock: Clock) -> None:
        self._key = key
        self._public = key.public_key()
        self._clock = clock
        self._checked: dict[str, Claims] = {}
        self.tenant = tenant
        der = self._public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_id = base64.urlsafe_b64encode(hashlib.sha256(der).digest()[:20]).decode().rstrip("=")

    def now(self) -> float:
        """Seconds since 1970 by the clock that tokens go by, which is not that of the world if that one goes fast."""
        return self._clock.now()

    def issue(self, principal: Principal, audience: str, lifetime: int) -> str:
        """A token for `principal` at `audience` (a resource's URI), good for `lifetime` seconds."""
        now = int(self._clock.now())
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": f"https://sts.windows.net/{self.tenant}/",
            "iat": now,
            "nbf": now,
            "exp": now + lifetime,
            "appid": principal.client_id,
            "appidacr": "2" if principal.certificate else "1",
            "idp": f"https://sts.windows.net/{self.tenant}/",
            "idtyp": "app",
            "oid": principal.object_id,
            "sub": principal.object_id,
            "tid": self.tenant,
            "uti": uuid.uuid4().hex,
            "ver": "1.0",
        }
        if principal.resource_id is not None:
            claims["xms_mirid"] = principal.resource_id
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": self.key_id, "x5t": self.key_id})

    def check(self, token: str) -> Claims:
        """What a token says; raises TokenRejected."""
        claims = self._checked.get(token) or self._decoded(token)
        if claims.expires <= self._clock.now():
            raise TokenRejected("The access token has expired.", expired=True)
        return claims

    def _decoded(self, token: str) -> Claims:
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        try:
            found = jwt.decode(token, self._public, algorithms=["RS256"], options=options)
            claims = Claims(found["aud"], found["appid"], found["oid"], found["exp"])
        except (jwt.InvalidTokenError, KeyError):
            raise TokenRejected("The access token is invalid.") from None
        if len(self._checked) >= self._REMEMBER:
            self._checked.clear()
        self._checked[token] = claims
        return claims

    def key_set(self) -> dict[str, Any]:
        """The public key as a JSON Web Key Set."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._public))
        return {"keys": [{**key, "kid": self.key_id, "use": "sig", "alg": "RS256"}]}


def signing_key(folder: Path) -> rsa.RSAPrivateKey:
    """The key of tokens, kept in `folder`: a restart does not make them worthless. Raises ConfigError if it is damaged."""
    file = folder / "token-key.pem"
    try:
        key = serialization.load_pem_private_key(read_or_make(file, lambda: private_pem(_new_key())), None)
    except ValueError:
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError(str(file), ["is no RSA key; delete it, and a new one is made"])
    return key


def _new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
