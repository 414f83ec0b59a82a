"""The front door of Azure Resource Manager: who calls, may they, and which operation is meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from slurm_azure.simulator.arm.subscriptions import API_VERSIONS
from slurm_azure.simulator.authorization import Authorization
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import scope_of
from slurm_azure.simulator.routes import Links, Match, Route, Router
from slurm_azure.simulator.throttling import Throttling
from slurm_azure.simulator.tokens import TokenRejected, Tokens
from slurm_azure.simulator.world.world import World

_PROVIDERS = {name.lower() for name in API_VERSIONS}
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(?:-[a-z]+)?", re.IGNORECASE)


class ResourceManager:
    """Checks token, api-version and permission of each call, and hands it to its operation."""

    def __init__(
        self,
        world: World,
        tokens: Tokens,
        routes: Iterable[Route],
        is_audience: Callable[[str], bool],
        authorization: Authorization,
        throttling: Throttling,
        faults: Faults,
    ) -> None:
        self._world = world
        self._tokens = tokens
        self._router = Router(routes)
        self._is_audience = is_audience
        self._authorization = authorization
        self._throttling = throttling
        self._faults = faults

    def answer(self, call: Call) -> Reply:
        """The answer to a call; raises Refusal. Sets `call.operation` as soon as it is known."""
        try:
            reply = self._answer(call)
        except Refusal as refusal:
            refusal.headers |= self._identifiers(call)
            raise
        reply.headers |= self._identifiers(call)
        return reply

    def _answer(self, call: Call) -> Reply:
        match = self._router.match(call.method, call.path)
        if match is not None and match.route is not None:
            call.operation, call.action = match.route.operation, match.route.action
        call.principal = self._authenticate(call)
        call.parameters = match.parameters if match else {}
        self._faults.before(call)
        told = self._throttling.admit(call)
        try:
            _check_version(call)
            route = _route(call, match)
            self._authorize(call, route)
            told |= self._throttling.admit_provider(call)
            reply = route.handler(call)
        except Refusal as refusal:
            refusal.headers = told | refusal.headers
            raise
        reply.headers = told | reply.headers
        return reply

    def _authenticate(self, call: Call) -> Principal:
        kind, _, token = call.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not token:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise self._unauthorized("AuthenticationFailed", message)
        try:
            claims = self._tokens.check(token.strip())
        except TokenRejected as error:
            code = "ExpiredAuthenticationToken" if error.expired else "InvalidAuthenticationToken"
            raise self._unauthorized(code, str(error)) from None
        if not self._is_audience(claims.audience):
            message = (
                f"The access token has been obtained for wrong audience or resource '{claims.audience}'. It should exactly "
                "match with one of the allowed audiences 'https://management.core.windows.net/',"
                "'https://management.azure.com/'."
            )
            raise self._unauthorized("InvalidAuthenticationTokenAudience", message)
        known = self._world.principals.get(claims.client_id)
        return known or Principal(claims.client_id, claims.client_id, claims.object_id, ())

    def _unauthorized(self, code: str, message: str) -> Refusal:
        challenge = (
            f'Bearer authorization_uri="https://login.microsoftonline.com/{self._world.estate.tenant}", '
            f'error="invalid_token", error_description="{message}"'
        )
        return Refusal(401, code, message, headers={"WWW-Authenticate": challenge, "x-ms-failure-cause": "gateway"})

    def _authorize(self, call: Call, route: Route) -> None:
        """Raises Refusal: 404 where there is no such subscription, 403 AuthorizationFailed or LinkedAuthorizationFailed."""
        if "subscriptionId" in call.parameters:
            self._world.subscription(call.parameters["subscriptionId"])
            self._check_group(call)
        principal = call.principal
        assert principal is not None
        if not route.action:
            return
        scope = scope_of(call.path)
        if not self._authorization.allows(principal, route.action, scope):
            raise _forbidden(principal, route.action, scope)
        if route.links is None:
            return
        for action, linked in _links(call, route.links):
            if not self._authorization.allows(principal, action, linked):
                raise _linked(principal, route.action, scope, action, linked)

    def _check_group(self, call: Call) -> None:
        """Nothing is made in a resource group that is being deleted (text as in Azure/azure-cli issue 21121)."""
        name = call.parameters.get("resourceGroupName", "")
        group = self._world.groups.get((call.parameters["subscriptionId"].lower(), name.lower()))
        if group is not None and group.deleting is not None and call.method in ("PUT", "PATCH", "POST"):
            message = f"The resource group '{group.name}' is in deprovisioning state and cannot perform this operation."
            raise Refusal(409, "ResourceGroupBeingDeleted", message)

    def _identifiers(self, call: Call) -> dict[str, str]:
        """A caller may name the correlation, and have its own id returned ("Common API details" of Resource Manager's contract
        with resource providers). The form of the routing id is that of recorded answers: who answered, when, and an id."""
        request = self._world.new_uuid()
        correlation = call.headers.get("x-ms-correlation-request-id") or request
        now = datetime.fromtimestamp(self._world.clock.now(), UTC).strftime("%Y%m%dT%H%M%SZ")
        told = {}
        if call.headers.get("x-ms-return-client-request-id", "").lower() == "true":
            told["x-ms-client-request-id"] = call.headers.get("x-ms-client-request-id", "")
        return told | {
            "x-ms-request-id": request,
            "x-ms-correlation-request-id": correlation,
            "x-ms-routing-request-id": f"{self._world.estate.location.upper()}:{now}:{correlation}",
            "Cache-Control": "no-cache",
            "Pragma": "no-cache",
            "Expires": "-1",
            "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
            "X-Content-Type-Options": "nosniff",
        }


def _links(call: Call, links: Links) -> list[tuple[str, str]]:
    """What the body needs at other resources; a body that cannot be read needs nothing: its handler will refuse it."""
    try:
        return list(links(call.json_object()))
    except Refusal:
        return []


def _forbidden(principal: Principal, action: str, scope: str) -> Refusal:
    """Text as in "Troubleshoot Azure RBAC"; `x-ms-failure-cause` as recorded in Azure/azure-powershell issue 12115."""
    return Refusal(
        403,
        "AuthorizationFailed",
        f"The client '{principal.client_id}' with object id '{principal.object_id}' does not have authorization to perform "
        f"action '{action}' over scope '{scope}' or the scope is invalid. If access was recently granted, please refresh your "
        "credentials.",
        headers={"x-ms-failure-cause": "gateway"},
    )


def _linked(principal: Principal, action: str, scope: str, linked_action: str, linked: str) -> Refusal:
    """Text as in kubernetes-sigs/cloud-provider-azure issue 1999 and microsoft/planetary-computer-hub pull request 25."""
    return Refusal(
        403,
        "LinkedAuthorizationFailed",
        f"The client '{principal.client_id}' with object id '{principal.object_id}' has permission to perform action "
        f"'{action}' on scope '{scope}'; however, it does not have permission to perform action '{linked_action}' on the "
        f"linked scope(s) '{linked}' or the linked scope(s) are invalid.",
        headers={"x-ms-failure-cause": "gateway"},
    )


def _check_version(call: Call) -> None:
    if not call.api_version:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise Refusal(400, "MissingApiVersionParameter", message)
    if not _VERSION.fullmatch(call.api_version):
        message = f"The api-version '{call.api_version}' is invalid. It has to be a date such as 2024-07-01."
        raise Refusal(400, "InvalidApiVersionParameter", message)


def _route(call: Call, match: Match | None) -> Route:
    if match is None:
        parts = call.path.split("/providers/", 1)
        provider = parts[1].split("/")[0] if len(parts) == 2 else ""
        if provider and provider.lower() not in _PROVIDERS:
            raise Refusal(404, "InvalidResourceNamespace", f"The resource namespace '{provider}' is invalid.")
        message = f"The resource type could not be found in the namespace '{provider}' for api version '{call.api_version}'."
        raise Refusal(404, "InvalidResourceType", message)
    if match.route is None:
        raise Refusal(405, "MethodNotAllowed", f"The HTTP method '{call.method}' is not supported at this location.")
    return match.route
