"""Azure behind the Cloud seam: azure-mgmt-compute, one request a call, Azure's answers turned into ours.

Only transport faults, 408 and 5xx are tried again, a few times within seconds. A create that was tried again may have taken
effect the first time; whatever is then answered, the VM itself is looked at before it counts as refused. What else Azure
answers is in answers.py.

Provisioning that fails after Azure has accepted is not seen here: the list shows the VM as failed, `why_failed` asks why.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from typing import IO, Any, TypeVar, cast
from urllib.parse import quote, urlsplit

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.polling import LROPoller
from azure.core.rest import HttpRequest
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from slurm_azure.azure.answers import LONGEST_WAIT, Fault, Refused, explain, failure_in
from slurm_azure.azure.cloud import Call, VmOrder
from slurm_azure.azure.failures import one_line
from slurm_azure.azure.limits import Limits
from slurm_azure.azure.pipeline import OPTION, READ_TIMEOUT, Connection, Credential, Heard, connect
from slurm_azure.azure.vm import Json, launch_of, prepare, read_vm
from slurm_azure.config import Config
from slurm_azure.errors import CloudUnreachable, CreateRefused, CredentialRefused, Throttled
from slurm_azure.model import Failure, Vm, VmName

API_VERSION = "2026-04-01"
"""Of the list, which is asked for without the SDK's models; the same that azure-mgmt-compute 39 sends (a test holds it)."""

_TRIES = 3
_PAGES = 10_000  # a list that has more pages than this goes in circles

T = TypeVar("T")


class AzureCompute:
    """The Cloud seam (cloud.py) on azure-mgmt-compute. Safe for any number of threads; each has its own connection.

    `heard` is told of each answer (for metrics); `sleep` waits seconds, between tries and for tokens of further pages;
    `read_timeout` is how many an answer may take.
    """

    def __init__(
        self,
        config: Config,
        credential: Credential,
        limits: Limits,
        heard: Heard = lambda call, status, seconds: None,
        sleep: Callable[[float], None] = time.sleep,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self._config, self._credential, self._limits, self._heard, self._sleep = config, credential, limits, heard, sleep
        self._read_timeout = read_timeout
        self._group = config.azure.resource_group
        self._pools = prepare(config)
        self._own = threading.local()
        self._connections: list[Connection] = []
        self._retrying = Retrying(
            stop=stop_after_attempt(_TRIES),
            wait=_wait,
            retry=retry_if_exception_type(Fault),
            sleep=sleep,
            reraise=True,
        )

    def close(self) -> None:
        """Close the sockets of all threads, and the credential's; calls under way fail."""
        for connection in self._connections:
            connection.close()
        self._credential.close()

    def reserve(self, call: Call) -> float:
        """Take one token of the budgets of `call` (see Cloud)."""
        return self._limits.reserve(call)

    def create(self, order: VmOrder) -> None:
        """Ask for one VM (see Cloud). `If-None-Match: *` makes the same name twice an error instead of an update."""
        body = json.dumps(self._pools[order.pool].body(order)).encode()
        faults: MutableSequence[Fault] = []
        try:
            self._call(Call.CREATE, f"create of {order.vm_name}", lambda azure: self._put(azure, order.vm_name, body), faults)
        except Refused as refused:
            if refused.status == 412 or faults:
                self._accept_if_ours(order, refused)
            else:
                raise CreateRefused(refused.code, refused.message, refused.status) from None
        except (Throttled, CredentialRefused) as error:
            if faults:  # not this time, but an earlier try may have made it
                raise CloudUnreachable(f"{error}; before that: {faults[-1]}") from None
            raise

    def delete(self, name: VmName) -> bool:
        """Ask that a VM goes (see Cloud). Forced: what runs on it is over, and it need not be shut down in order."""
        try:
            return self._call(Call.DELETE, f"delete of {name}", lambda azure: self._delete(azure, name)) != 202
        except Refused as refused:
            if refused.absent:
                return True
            if refused.status == 409 and "marked for deletion" in refused.message:
                return False
            raise refused.as_unreachable() from None

    def list(self) -> tuple[Vm, ...]:
        """All VMs of this cluster (see Cloud). Whole or not at all; pages are dropped as soon as they are read."""
        found: dict[str, Vm] = {}
        try:
            for page in self._pages():
                vms = (read_vm(item, self._config.cluster) for item in page)
                found.update({vm.name: vm for vm in vms if vm is not None})
        except Refused as refused:
            raise refused.as_unreachable() from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CloudUnreachable(f"the list of VMs is not what Azure sends: {one_line(repr(error))}") from None
        return tuple(found.values())

    def why_failed(self, name: VmName) -> Failure | None:
        """Why provisioning failed (see Cloud), from the instance view's `ProvisioningState/failed/CODE`."""
        try:
            view = self._call(Call.READ, f"instance view of {name}", lambda azure: self._instance_view(azure, name))
        except Refused as refused:
            if refused.absent:
                return None
            raise refused.as_unreachable() from None
        return failure_in(view)

    def _accept_if_ours(self, order: VmOrder, refused: Refused) -> None:
        """A VM of that name with our launch's tag is the one that was asked for. Otherwise raises."""
        try:
            self._wait_for_token(Call.READ)
            vm = self._call(Call.READ, f"look at {order.vm_name}", lambda azure: self._get(azure, order.vm_name))
        except Refused as answer:
            if not answer.absent or refused.status == 412:
                raise CloudUnreachable(f"{refused}; then {answer}") from None
            raise CreateRefused(refused.code, refused.message, refused.status) from None
        except (Throttled, CredentialRefused) as error:
            raise CloudUnreachable(f"{refused}; then {error}") from None
        if launch_of(vm) != order.launch:
            message = f"there is a VM {order.vm_name} already, and it is not of launch {order.launch}"
            raise CreateRefused(refused.code, message, refused.status)

    # One request each; all go through _call.

    def _put(self, azure: Connection, name: VmName, body: bytes) -> None:
        azure.vms.begin_create_or_update(
            self._group,
            name,
            cast(IO[bytes], body),
            match_condition=MatchConditions.IfMissing,
            polling=False,
            **_charged_to(Call.CREATE),
        )

    def _delete(self, azure: Connection, name: VmName) -> int:
        poller: LROPoller[Any] = azure.vms.begin_delete(
            self._group, name, force_deletion=True, polling=False, cls=_status, **_charged_to(Call.DELETE)
        )
        status: int = poller.result()
        return status

    def _get(self, azure: Connection, name: VmName) -> Json:
        vm: Any = azure.vms.get(self._group, name, cls=_json, **_charged_to(Call.READ))
        return cast(Json, vm)

    def _instance_view(self, azure: Connection, name: VmName) -> Json:
        view: Any = azure.vms.instance_view(self._group, name, cls=_json, **_charged_to(Call.READ))
        return cast(Json, view)

    def _page(self, azure: Connection, url: str) -> Json:
        # Not through the SDK's list: turning each VM into models costs 0.4 ms of CPU a VM, reading it costs 0.05.
        response = azure.arm.send_request(HttpRequest("GET", url), **_charged_to(Call.LIST))
        if response.status_code != 200:
            raise HttpResponseError(response=response)
        page: Json = response.json()
        return page

    def _pages(self) -> Iterator[Sequence[Json]]:
        where = self._config.azure
        url = (
            f"{where.endpoint.rstrip('/')}/subscriptions/{where.subscription}/resourceGroups/{quote(self._group)}"
            f"/providers/Microsoft.Compute/virtualMachines?api-version={API_VERSION}"
        )
        for _ in range(_PAGES):
            page = self._call(Call.LIST, "list of VMs", lambda azure, url=url: self._page(azure, url))  # type: ignore[misc]
            yield page["value"]
            if not page.get("nextLink"):
                return
            url = _same_azure(where.endpoint, page["nextLink"])
            self._wait_for_token(Call.LIST)
        raise CloudUnreachable(f"the list of VMs does not end after {_PAGES} pages")

    def _connection(self) -> Connection:
        found: Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = connect(self._config.azure, self._credential, self._limits, self._heard, self._read_timeout)
            self._own.connection = found
            self._connections.append(found)
        return found

    def _wait_for_token(self, call: Call) -> None:
        """For requests that the caller has not reserved: the pages after the first, and further tries."""
        waited = 0.0
        while (wait := self._limits.reserve(call)) > 0:
            if waited + wait > LONGEST_WAIT:
                raise Throttled(wait, f"{call} calls")
            self._sleep(wait)
            waited += wait

    def _call(
        self, call: Call, what: str, request: Callable[[Connection], T], faults: MutableSequence[Fault] | None = None
    ) -> T:
        """Send a request, again if there was a fault; `faults` gets those. Raises Refused, Throttled, CredentialRefused,
        CloudUnreachable."""
        done: T = self._retrying(self._try, call, what, request, [] if faults is None else faults)
        return done

    def _try(self, call: Call, what: str, request: Callable[[Connection], T], faults: MutableSequence[Fault]) -> T:
        if faults:
            self._wait_for_token(call)
        try:
            return request(self._connection())
        except (AzureError, ValueError) as error:  # ValueError: JSON or header that the SDK cannot read
            problem = explain(self._limits, call, what, error)
            if isinstance(problem, Fault):
                faults.append(problem)
            raise problem from None


def _wait(state: RetryCallState) -> float:
    """Seconds before the next try: 0.5, then 1, or as long as Azure asks."""
    fault = state.outcome.exception() if state.outcome is not None else None
    backoff = 0.5 * 2.0 ** (state.attempt_number - 1)
    return max(backoff, fault.after) if isinstance(fault, Fault) else backoff


def _charged_to(call: Call) -> dict[str, Any]:
    """The keyword that tells our pipeline what a request is."""
    return {OPTION: call}


def _status(response: Any, _body: object, _headers: object) -> int:
    status: int = response.http_response.status_code
    return status


def _json(response: Any, _model: object, _headers: object) -> Json:
    body: Json = response.http_response.json()
    return body


def _same_azure(endpoint: str, link: str) -> str:
    """`link`, if our token may go there: to the endpoint's host or a region of it."""
    ours, theirs = urlsplit(endpoint), urlsplit(link)
    if theirs.scheme != "https" or not (theirs.netloc == ours.netloc or theirs.netloc.endswith(f".{ours.netloc}")):
        raise CloudUnreachable(f"the list of VMs goes on at {theirs.netloc or link!r}, which is not {ours.netloc}")
    return link
