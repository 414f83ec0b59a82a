"""How requests go to Azure Resource Manager: azure-core's pipeline with exactly the policies that are wanted.

The SDK's own list of policies is replaced because three of them do things behind our back: RetryPolicy repeats every answer
that carries Retry-After and sleeps for as long as that says, up to 20 minutes inside one call; the policy for unregistered
resource providers registers them for the whole subscription, which needs rights that the daemon must not have; RedirectPolicy
follows wherever an answer points. Nothing is logged here either: no header, no body.

requests.Session is not promised to be thread-safe, and azure-core's token policy is not: each thread has a pipeline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from azure.core import AzureClouds
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.pipeline import Pipeline, PipelineRequest, PipelineResponse
from azure.core.pipeline.policies import RequestIdPolicy, SansIOHTTPPolicy, UserAgentPolicy
from azure.core.pipeline.transport import RequestsTransport
from azure.core.rest import HttpRequest, HttpResponse
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute import __version__ as sdk_version
from azure.mgmt.compute.operations import VirtualMachinesOperations
from azure.mgmt.core import ARMPipelineClient
from azure.mgmt.core.policies import ARMChallengeAuthenticationPolicy
from azure.mgmt.core.tools import get_arm_endpoints

from slurm_azure import __version__
from slurm_azure.azure.cloud import Call
from slurm_azure.azure.deadline import make_session, within
from slurm_azure.azure.limits import Limits
from slurm_azure.config import Azure

CONNECT_TIMEOUT = 10  # seconds
READ_TIMEOUT = 60  # seconds: Azure answers a create call within a few; the SDK would wait 300
ANSWERS = 3  # times READ_TIMEOUT that a whole answer may take, headers and body
OPTION = "slurm_azure_call"
"""The keyword by which a request says which budget it is charged to."""

Heard = Callable[[Call, int, float], None]
"""Told of each answer: the kind of call, HTTP status (0 = none came), seconds it took."""


class Credential(Protocol):
    """What signs the requests: credential.SharedCredential."""

    def get_token_info(self, *scopes: str, options: TokenRequestOptions | None = None) -> AccessTokenInfo:
        """A token for `scopes`."""
        ...

    def get_token(self, *scopes: str, claims: str | None = None, tenant_id: str | None = None, **kwargs: Any) -> Any:
        """The same in azure-core's older form."""
        ...

    def renew(self, refused: str) -> bool:
        """Forget a token that Azure did not accept; True = ask for another."""
        ...

    def close(self) -> None:
        """Close its sockets."""
        ...


class TokenPolicy(ARMChallengeAuthenticationPolicy):
    """azure-core's bearer tokens, and one more try with a new token after a 401.

    azure-core by itself tries again only if the answer asks for further claims; otherwise it would go on with the same
    token from azure-identity's cache until that ends.
    """

    def __init__(self, credential: Credential, *scopes: str) -> None:
        super().__init__(credential, *scopes)
        self._owner = credential

    def on_challenge(
        self, request: PipelineRequest[HttpRequest], response: PipelineResponse[HttpRequest, HttpResponse]
    ) -> bool:
        """Called for a 401 that carries WWW-Authenticate (Azure's always do); True = send again."""
        if super().on_challenge(request, response):
            return True
        refused = request.http_request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not self._owner.renew(refused):
            return False
        self.authorize_request(request, *self._scopes)
        return True


class BudgetPolicy(SansIOHTTPPolicy[HttpRequest, HttpResponse]):
    """Learns from each answer what is left of the budgets, and counts it."""

    def __init__(self, limits: Limits, heard: Heard) -> None:
        self._limits, self._heard = limits, heard

    def on_request(self, request: PipelineRequest[HttpRequest]) -> None:
        """Take our option out before it reaches the transport."""
        request.context[OPTION] = request.context.options.pop(OPTION, request.context.get(OPTION))
        request.context["began"] = time.perf_counter()

    def on_response(self, request: PipelineRequest[HttpRequest], response: PipelineResponse[HttpRequest, HttpResponse]) -> None:
        """An answer came."""
        call: Call = request.context[OPTION]
        answer = response.http_response
        self._limits.learn(call, answer.headers)
        self._heard(call, answer.status_code, time.perf_counter() - request.context["began"])
        if answer.status_code < 300 and not answer.headers.get("Retry-After", "0").isdecimal():
            del answer.headers["Retry-After"]  # the SDK wants whole seconds, and would fail on a create that was accepted

    def on_exception(self, request: PipelineRequest[HttpRequest]) -> None:
        """None came."""
        self._heard(request.context[OPTION], 0, time.perf_counter() - request.context["began"])


class _Transport(RequestsTransport):  # type: ignore[misc]
    """azure-core's transport, with an end to each answer as a whole."""

    def __init__(self, read_timeout: float, ca_file: str | None) -> None:
        super().__init__(
            session=make_session(),
            session_owner=True,
            connection_timeout=CONNECT_TIMEOUT,
            read_timeout=read_timeout,
            connection_verify=ca_file or True,
        )
        self._whole = ANSWERS * read_timeout

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send a request; its answer is read here, to its end."""
        with within(self._whole):
            return super().send(request, **kwargs)


@dataclass(frozen=True, slots=True)
class Connection:
    """One thread's way to Azure: the SDK's operations on VMs, and plain requests over the same pipeline."""

    vms: VirtualMachinesOperations
    arm: ARMPipelineClient[HttpRequest, HttpResponse]

    def close(self) -> None:
        """Close its sockets."""
        self.arm.close()


def connect(
    azure: Azure, credential: Credential, limits: Limits, heard: Heard, read_timeout: float = READ_TIMEOUT
) -> Connection:
    """Make a thread's connection; nothing is sent yet. `read_timeout` in seconds."""
    transport = _Transport(read_timeout, azure.ca_file)
    policies: list[Any] = [
        RequestIdPolicy(),
        UserAgentPolicy(user_agent=f"slurm-azure/{__version__}", sdk_moniker=f"mgmt-compute/{sdk_version}"),
        TokenPolicy(credential, *scopes(azure.endpoint)),
        BudgetPolicy(limits, heard),
    ]
    pipeline: Pipeline[HttpRequest, HttpResponse] = Pipeline(transport, policies)
    endpoint = azure.endpoint.rstrip("/")
    client = ComputeManagementClient(credential, azure.subscription, endpoint, pipeline=pipeline, policies=[])
    return Connection(client.virtual_machines, ARMPipelineClient(endpoint, pipeline=pipeline, policies=[]))


def scopes(endpoint: str) -> list[str]:
    """What a token must be for. For an endpoint that is not Microsoft's it is that endpoint alone: a token that is sent
    there must be of no use anywhere else."""
    host = urlsplit(endpoint).netloc.lower()
    for cloud in AzureClouds:
        known = get_arm_endpoints(cloud)
        if urlsplit(known["resource_manager"]).netloc == host:
            return list(known["credential_scopes"])
    return [f"{endpoint.rstrip('/')}/.default"]
