"""Key Vault: reading secrets, with the challenge that tells a client where its token comes from.

Sources: "Authentication, requests and responses" and "Get Secret" of the Key Vault REST reference (Microsoft Learn).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable

from slurm_azure.simulator.authorization import Authorization
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.estate import VaultPlan
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.tokens import Claims, TokenRejected, Tokens

RESOURCE = "https://vault.azure.net"
DOMAIN = ".vault.azure.net"
_GET = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
_PATH = re.compile(r"(?:/vaults/(?P<vault>[^/]+))?/secrets/(?P<secret>[^/]+)(?:/(?P<version>[^/]*))?/?")


class Vaults:
    """Answers for all vaults: by host name (`NAME.vault.azure.net`), by path (`/vaults/NAME/secrets/..`), or, if there is but
    one vault, for it (`/secrets/..`)."""

    def __init__(
        self,
        vaults: Iterable[VaultPlan],
        tokens: Tokens,
        clock: Clock,
        authority: Callable[[Call], str],
        authorization: Authorization,
        faults: Faults | None = None,
    ) -> None:
        self._vaults = {vault.name.lower(): vault for vault in vaults}
        self._tokens = tokens
        self._created = int(clock.now())
        self._authority = authority
        self._authorization = authorization
        self._faults = faults or Faults()

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the call is not for a vault; raises Refusal."""
        match = _PATH.fullmatch(call.path)
        if match is None:
            if call.host.endswith(DOMAIN):
                raise Refusal(404, "NotFound", "Only the reading of secrets is simulated.")
            return None
        call.operation = "GetSecret"
        if call.method != "GET":
            call.operation = "SecretsOther"
            raise Refusal(405, "MethodNotAllowed", "Only the reading of secrets is simulated.")
        self._faults.before(call)
        claims = self._authenticate(call)
        if not re.fullmatch(r"(7\.\d|20\d\d-\d\d-\d\d)(-preview(\.\d)?)?", call.api_version):
            raise Refusal(
                400,
                "BadParameter",
                f"Unsupported api-version '{call.api_version}'; it has to be 7.x or a date such as 2025-07-01.",
            )
        vault = self._vault(call.host, match["vault"])
        return self._secret(vault, match["secret"], match["version"] or "", claims)

    def _vault(self, host: str, named: str | None) -> VaultPlan:
        name = named or (host.removesuffix(DOMAIN) if host.endswith(DOMAIN) else None)
        if name is None and len(self._vaults) == 1:
            return next(iter(self._vaults.values()))
        vault = self._vaults.get((name or "").lower())
        if vault is None:
            raise Refusal(404, "VaultNotFound", f"There is no vault '{name or host}'.")
        return vault

    def _authenticate(self, call: Call) -> Claims:
        kind, _, token = call.headers.get("Authorization", "").partition(" ")
        challenge = f'Bearer authorization="{self._authority(call)}", resource="{RESOURCE}"'
        if kind.lower() != "bearer" or not token:
            raise _unauthorized("AKV10000: Request is missing a Bearer or PoP token.", challenge)
        try:
            claims = self._tokens.check(token.strip())
        except TokenRejected as error:
            raise _unauthorized(f"AKV10001: {error}", f'{challenge}, error="invalid_token"') from None
        if claims.audience.rstrip("/") != RESOURCE:
            message = f"AKV10022: Invalid audience. Expected {RESOURCE}, found: {claims.audience}."
            raise _unauthorized(message, f'{challenge}, error="invalid_token"')
        return claims

    def _secret(self, vault: VaultPlan, name: str, version: str, claims: Claims) -> Reply:
        scope = f"{vault.id}/secrets/{name}"
        if claims.client_id not in vault.readers and not self._authorization.allows_data(claims.object_id, _GET, scope):
            raise Refusal(
                403,
                "Forbidden",
                f"The user, group or application 'appid={claims.client_id};oid={claims.object_id}' does not have secrets get "
                f"permission on key vault '{vault.name}'.",
            )
        found = next((key for key in vault.secrets if key.lower() == name.lower()), None)
        value = None if found is None else vault.secrets[found]
        current = hashlib.sha256(f"{vault.name}/{found}/{value}".encode()).hexdigest()[:32]
        if value is None or version not in ("", current):
            raise Refusal(
                404,
                "SecretNotFound",
                f"A secret with (name/id) {name}{'/' + version if version else ''} was not found in this key vault. If you "
                "recently deleted this secret you may be able to recover it using the correct recovery command.",
            )
        attributes = {
            "enabled": True,
            "created": self._created,
            "updated": self._created,
            "recoveryLevel": "Recoverable+Purgeable",
            "recoverableDays": 90,
        }
        identity = f"https://{vault.name}{DOMAIN}/secrets/{found}/{current}"
        return Reply(200, {"value": value, "id": identity, "attributes": attributes, "tags": {}})


def _unauthorized(message: str, challenge: str) -> Refusal:
    return Refusal(401, "Unauthorized", message, headers={"WWW-Authenticate": challenge})
