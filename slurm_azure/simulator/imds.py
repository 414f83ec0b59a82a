"""The Instance Metadata Service, which knows its caller by the address the call comes from.

Source: "Azure Instance Metadata Service for virtual machines" and "How to use managed identities for Azure resources on an
Azure VM to acquire an access token", "Azure Metadata Service: Scheduled Events for Linux VMs" (Microsoft Learn).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.estate import Principal
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.instance_document import VERSIONS, document
from slurm_azure.simulator.resource_id import same
from slurm_azure.simulator.tokens import Tokens
from slurm_azure.simulator.world import scheduled_events
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World

TOKEN_LIFETIME = 86399  # seconds, as in the documented sample
_INSTANCE = "/metadata/instance"
_EVENTS = "/metadata/scheduledevents"


class InstanceMetadata:
    """Answers at 169.254.169.254."""

    def __init__(
        self,
        world: World,
        tokens: Tokens,
        is_resource: Callable[[str], bool],
        events_delay: float = 0.0,
        faults: Faults | None = None,
    ) -> None:
        """`events_delay`: how many seconds the answer that enables Scheduled Events takes ("up to two minutes")."""
        self._world = world
        self._events_delay = events_delay
        self._tokens = tokens
        self._is_resource = is_resource
        self._faults = faults or Faults()

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the path is not the metadata service's."""
        path = call.path.rstrip("/").lower()
        if not path.startswith("/metadata"):
            return None
        call.operation = _operation(path)
        self._faults.before(call)
        if call.headers.get("Metadata", "").lower() != "true":
            if path == "/metadata/identity/oauth2/token":
                return _identity_error("invalid_request", "Required metadata header not specified")
            return _bad("Bad request. Required metadata header not specified")
        if "X-Forwarded-For" in call.headers:
            return _bad("Bad request. Requests that went through a proxy are not served")
        if path == "/metadata/versions":
            return Reply(200, {"apiVersions": list(VERSIONS)})
        if call.method != "GET" and (path != _EVENTS or call.method != "POST"):
            return Reply(405, {"error": "Method not allowed"})
        vm = self._world.vms_by_address.get(call.remote)
        if vm is None:
            return Reply(404, {"error": f"Not found: no virtual machine has the address {call.remote}"})
        return self._for_vm(call, path, vm)

    def _for_vm(self, call: Call, path: str, vm: VirtualMachine) -> Reply:
        if path == _EVENTS:
            return self._events(call, vm)
        if call.api_version not in VERSIONS:
            return _bad_version(call.api_version, VERSIONS)
        if path == "/metadata/identity/oauth2/token":
            return self._token(call, vm)
        if path == _INSTANCE or path.startswith(_INSTANCE + "/"):
            return _instance(call, vm)
        return Reply(404, {"error": "Not found"})

    def _events(self, call: Call, vm: VirtualMachine) -> Reply:
        """The events that concern the caller or its companions (GET), or their start before their time (POST): 200 for
        known ids, 400 for anything else ("A 400 error code indicates that the request header or payload was malformed")."""
        if call.api_version not in scheduled_events.VERSIONS:
            return _bad_version(call.api_version, scheduled_events.VERSIONS)
        events = self._world.events
        first = events.asked(vm)
        if call.method == "GET":
            return Reply(200, raw=events.text(vm, call.api_version), delay=self._events_delay if first else 0.0)
        ids = _start_requests(call.body)
        if ids is None:
            return _bad("Bad request. The body has to be StartRequests: a list of objects with an EventId each")
        if not events.approve(vm, ids):
            return _bad("Bad request. An EventId is not that of an event that is scheduled")
        return Reply(200)

    def _token(self, call: Call, vm: VirtualMachine) -> Reply:
        resource = call.query.get("resource", "")
        if not resource:
            return _identity_error("invalid_request", "Required query variable 'resource' is missing")
        if not self._is_resource(resource):
            text = f"AADSTS500011: The resource principal named {resource} was not found in the tenant."
            return _identity_error("invalid_resource", text)
        principal = _chosen(vm, call.query)
        if isinstance(principal, str):
            return _identity_error("invalid_request", principal)
        now = int(self._tokens.now())
        return Reply(
            200,
            {
                "access_token": self._tokens.issue(principal, resource, TOKEN_LIFETIME),
                "client_id": principal.client_id,
                "expires_in": str(TOKEN_LIFETIME),
                "expires_on": str(now + TOKEN_LIFETIME),
                "ext_expires_in": str(TOKEN_LIFETIME),
                "not_before": str(now),
                "resource": resource,
                "token_type": "Bearer",
            },
        )


def _chosen(vm: VirtualMachine, query: Mapping[str, str]) -> Principal | str:
    """The identity a token is asked for, or why there is none."""
    has = [*([vm.system_identity] if vm.system_identity else []), *vm.identities]
    wanted = {
        "client_id": query.get("client_id"),
        "object_id": query.get("object_id") or query.get("principal_id"),
        "resource_id": query.get("msi_res_id") or query.get("mi_res_id"),
    }
    for attribute, value in wanted.items():
        if value is not None:
            found = [identity for identity in has if same(str(getattr(identity, attribute)), value)]
            return found[0] if found else "Identity not found"
    if vm.system_identity is not None:
        return vm.system_identity
    if len(has) > 1:
        return (
            "Multiple user assigned identities exist, please specify the clientId / resourceId of the identity in the token "
            "request"
        )
    return has[0] if has else "Identity not found"


def _instance(call: Call, vm: VirtualMachine) -> Reply:
    """The document, or the part of it that the rest of the path names; a single value only with format=text, which makes of
    what is not single a list of what is in it."""
    found: Any = document(vm, call.api_version)
    if call.query.get("extended", "").lower() == "true":
        # What the platform's preprovisioning service would say; asked for by cloud-init's Azure datasource.
        found["extended"] = {"compute": {"hasCustomData": vm.custom_data is not None, "ppsType": "None"}}
    for part in call.path.strip("/").split("/")[2:]:
        found = _member(found, part)
        if found is None:
            return Reply(404, {"error": "Not found"})
    if call.query.get("format", "json").lower() == "text":
        return Reply(200, raw=_text(found).encode(), content_type="text/plain; charset=utf-8")
    if not isinstance(found, dict | list):
        return _bad("Bad request. Use api-version and format=text for a single value")
    return Reply(200, found)


def _text(found: Any) -> str:
    """A single value, or the names beneath it as a folder would be listed: `compute/` (practice; not documented)."""
    if not isinstance(found, dict | list):
        return str(found)
    members = found.items() if isinstance(found, dict) else enumerate(found)
    return "\n".join(f"{name}/" if isinstance(value, dict | list) else str(name) for name, value in members)


def _member(owner: Any, part: str) -> Any:
    if isinstance(owner, list):
        return owner[int(part)] if part.isdigit() and int(part) < len(owner) else None
    if isinstance(owner, dict):
        return next((value for key, value in owner.items() if key.lower() == part.lower()), None)
    return None


def _operation(path: str) -> str:
    if path.startswith("/metadata/identity"):
        return "Imds_IdentityToken"
    if path.startswith(_EVENTS):
        return "Imds_ScheduledEvents"
    return "Imds_Instance" if path.startswith(_INSTANCE) else "Imds_Other"


def _start_requests(body: bytes) -> list[str] | None:
    """The ids in the body of a POST, None if it is none."""
    try:
        requests = json.loads(body)["StartRequests"]
        ids = [request["EventId"] for request in requests]
    except (ValueError, KeyError, TypeError):
        return None
    return ids if ids and all(isinstance(identity, str) for identity in ids) else None


def _bad_version(version: str, known: Sequence[str]) -> Reply:
    """Text as documented for a version that is missing."""
    what = "is invalid" if version else "was not specified in the request"
    error = f"Bad request. api-version {what}. For more information refer to aka.ms/azureimds"
    return Reply(400, {"error": error, "newest-versions": list(reversed(known))[:3]})


def _bad(text: str) -> Reply:
    return Reply(400, {"error": text})


def _identity_error(error: str, text: str) -> Reply:
    return Reply(400, {"error": error, "error_description": text})
