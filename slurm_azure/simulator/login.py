"""Microsoft Entra ID, as far as service principals need it: discovery documents and the token endpoint.

Sources: "OAuth 2.0 client credentials flow on the Microsoft identity platform", "Certificate credentials", "Microsoft Entra
authentication and authorization error codes" (Microsoft Learn).
"""

from __future__ import annotations

import hmac
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from slurm_azure.simulator import assertions
from slurm_azure.simulator.assertions import Denied
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.clock import Clock
from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.routes import Route, Router
from slurm_azure.simulator.tokens import Tokens

LIFETIME = 3599  # seconds; "60-90 minutes" is documented, 3599 is what `expires_in` of the documented samples says
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Login:
    """Answers at login.microsoftonline.com. `is_resource` tells whether a resource's URI is one that tokens are given for."""

    def __init__(
        self,
        tokens: Tokens,
        principals: Iterable[Principal],
        clock: Clock,
        is_resource: Callable[[str], bool],
        faults: Faults | None = None,
    ) -> None:
        self._tokens = tokens
        self._clock = clock
        self._principals = {principal.client_id.lower(): principal for principal in principals}
        self._is_resource = is_resource
        self._faults = faults or Faults()
        self._router = Router(
            [
                Route("GET", "/common/discovery/instance", "Login_InstanceDiscovery", "", self.discover_instance),
                Route("GET", "/{tenant}/v2.0/.well-known/openid-configuration", "Login_OpenIdConfiguration", "", self.describe),
                Route("GET", "/{tenant}/discovery/v2.0/keys", "Login_Keys", "", self.keys),
                Route("POST", "/{tenant}/oauth2/v2.0/token", "Login_Token", "", self.token),
            ]
        )

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the path is not one of the identity platform's."""
        match = self._router.match(call.method, call.path)
        if match is None:
            return None
        if match.route is None:
            return Reply(405)
        call.operation, call.parameters = match.route.operation, match.parameters
        self._faults.before(call)
        try:
            return match.route.handler(call)
        except Denied as denied:
            return self._refused(denied)

    def discover_instance(self, call: Call) -> Reply:
        """Which hosts are authorities, and where a tenant's configuration is."""
        endpoint = call.query.get("authorization_endpoint", "")
        tenant = urlsplit(endpoint).path.strip("/").split("/")[0] or self._tokens.tenant
        aliases = ["login.microsoftonline.com", "login.windows.net", "login.microsoft.com", "sts.windows.net"]
        return Reply(
            200,
            {
                "tenant_discovery_endpoint": f"{call.base}/{tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [
                    {
                        "preferred_network": "login.microsoftonline.com",
                        "preferred_cache": "login.windows.net",
                        "aliases": aliases,
                    }
                ],
            },
        )

    def describe(self, call: Call) -> Reply:
        """The tenant's OpenID configuration."""
        self._check_tenant(call)
        here = f"{call.base}/{self._tokens.tenant}"
        return Reply(
            200,
            {
                "issuer": f"{here}/v2.0",
                "authorization_endpoint": f"{here}/oauth2/v2.0/authorize",
                "token_endpoint": f"{here}/oauth2/v2.0/token",
                "jwks_uri": f"{here}/discovery/v2.0/keys",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "scopes_supported": ["openid"],
                "claims_supported": ["sub", "iss", "aud", "exp", "iat", "tid", "ver"],
                "tenant_region_scope": "EU",
                "cloud_instance_name": "microsoftonline.com",
            },
        )

    def keys(self, call: Call) -> Reply:
        """The public keys that tokens are signed with."""
        self._check_tenant(call)
        return Reply(200, self._tokens.key_set())

    def token(self, call: Call) -> Reply:
        """An access token for a client's secret, certificate or federated assertion."""
        self._check_tenant(call)
        form = {key: values[0] for key, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            text = "The grant type is not supported over this endpoint; only client_credentials is simulated."
            raise Denied(400, "unsupported_grant_type", 70003, text)
        principal = self._principals.get(form.get("client_id", "").lower())
        if principal is None:
            text = (
                f"Application with identifier '{form.get('client_id')}' was not found in the directory "
                f"'{self._tokens.tenant}'. This can happen if the application has not been installed by the administrator of "
                "the tenant or consented to by any user in the tenant."
            )
            raise Denied(400, "unauthorized_client", 700016, text)
        self._check_client(call, principal, form)
        access = self._tokens.issue(principal, self._resource(form), LIFETIME)
        body = {"token_type": "Bearer", "expires_in": LIFETIME, "ext_expires_in": LIFETIME, "access_token": access}
        return Reply(200, body, {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"})

    def _check_tenant(self, call: Call) -> None:
        if call.parameters["tenant"].lower() != self._tokens.tenant.lower():
            text = f"Tenant '{call.parameters['tenant']}' not found. Check to make sure you have the correct tenant ID."
            raise Denied(400, "invalid_request", 90002, text)

    def _resource(self, form: Mapping[str, str]) -> str:
        scope = form.get("scope", "")
        resource, found, _ = scope.partition("/.default")
        if not found:
            text = f"The provided value for scope {scope} is not valid. Client credential flows must have /.default suffixed."
            raise Denied(400, "invalid_scope", 1002012, text)
        if not self._is_resource(resource):
            text = f"The resource principal named {resource} was not found in the tenant named {self._tokens.tenant}."
            raise Denied(400, "invalid_resource", 500011, text)
        return resource

    def _check_client(self, call: Call, principal: Principal, form: Mapping[str, str]) -> None:
        if "client_assertion" in form and form.get("client_assertion_type") == _ASSERTION:
            self._check_assertion(call, principal, form["client_assertion"])
        elif "client_secret" in form:
            if principal.secret is None or not hmac.compare_digest(principal.secret.encode(), form["client_secret"].encode()):
                text = (
                    "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
                    f"value, not the client secret ID, for a secret added to app '{principal.client_id}'."
                )
                raise Denied(401, "invalid_client", 7000215, text)
        else:
            text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
            raise Denied(401, "invalid_client", 7000218, text)

    def _check_assertion(self, call: Call, principal: Principal, assertion: str) -> None:
        tenant = self._tokens.tenant
        places = [base + path for base in (call.base, "https://login.microsoftonline.com") for path in _own_paths(tenant)]
        assertions.check(principal, assertion, frozenset(place.lower() for place in places), self._clock.now())

    def _refused(self, denied: Denied) -> Reply:
        now = datetime.fromtimestamp(self._clock.now(), UTC)
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        moment = now.strftime("%Y-%m-%d %H:%M:%SZ")
        ids = f"Trace ID: {trace} Correlation ID: {correlation} Timestamp: {moment}"
        body = {
            "error": denied.error,
            "error_description": f"AADSTS{denied.number}: {denied.text} {ids}",
            "error_codes": [denied.number],
            "timestamp": moment,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://login.microsoftonline.com/error?code={denied.number}",
        }
        return Reply(denied.status, body, {"Cache-Control": "no-store, no-cache"})


def _own_paths(tenant: str) -> tuple[str, ...]:
    return f"/{tenant}/oauth2/v2.0/token", f"/{tenant}/v2.0", f"/{tenant}/oauth2/token"
