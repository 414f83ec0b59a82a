"""Azure behind the Cloud seam: azure-mgmt-compute, one request a call, Azure's answers turned into ours.

How requests are sent, and sent again after a fault, is in sender.py. A create that was tried again may have taken effect the
first time; whatever is then answered, the VM itself is looked at before it counts as refused.

Provisioning that fails after Azure has accepted is not seen here: the list shows the VM as failed, `why_failed` asks why.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, MutableSequence
from typing import IO, Any, cast

from azure.core import MatchConditions
from azure.core.polling import LROPoller

from slurm_azure.azure.answers import Fault, Refused, failure_in, power_in
from slurm_azure.azure.cloud import Call, VmOrder, VmPower
from slurm_azure.azure.console import read_console
from slurm_azure.azure.failures import one_line
from slurm_azure.azure.leftovers import list_leftovers, remove_leftover
from slurm_azure.azure.limits import Limits
from slurm_azure.azure.pipeline import READ_TIMEOUT, Connection, Credential, Heard
from slurm_azure.azure.sender import Sender, charged_to
from slurm_azure.azure.vm import Json, launch_of, prepare, read_vm
from slurm_azure.config import Config
from slurm_azure.errors import CloudUnreachable, CreateRefused, CredentialRefused, Throttled
from slurm_azure.model import Failure, Leftover, Vm, VmName

API_VERSION = "2026-04-01"
"""Of the list, which is asked for without the SDK's models; the same that azure-mgmt-compute 39 sends (a test holds it)."""


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
        self._cluster, self._group = config.cluster, config.azure.resource_group
        self._sender = Sender(config.azure, credential, limits, heard, sleep, read_timeout)
        self._pools = prepare(config)

    def close(self) -> None:
        """Close the sockets of all threads, and the credential's; calls under way fail."""
        self._sender.close()

    def reserve(self, call: Call) -> float:
        """Take one token of the budgets of `call` (see Cloud)."""
        return self._sender.limits.reserve(call)

    def create(self, order: VmOrder) -> None:
        """Ask for one VM (see Cloud). `If-None-Match: *` makes the same name twice an error instead of an update."""
        body = json.dumps(self._pools[order.pool].body(order)).encode()
        faults: MutableSequence[Fault] = []
        try:
            self._sender.call(
                Call.CREATE, f"create of {order.vm_name}", lambda azure: self._put(azure, order.vm_name, body), faults
            )
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
            return self._sender.call(Call.DELETE, f"delete of {name}", lambda azure: self._delete(azure, name)) != 202
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
            url = self._sender.url("Microsoft.Compute/virtualMachines", API_VERSION)
            for page in self._sender.pages(Call.LIST, "list of VMs", url):
                vms = (read_vm(item, self._cluster) for item in page)
                found.update({vm.name: vm for vm in vms if vm is not None})
        except Refused as refused:
            raise refused.as_unreachable() from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise CloudUnreachable(f"the list of VMs is not what Azure sends: {one_line(repr(error))}") from None
        return tuple(found.values())

    def why_failed(self, name: VmName) -> Failure | None:
        """Why provisioning failed (see Cloud), from the instance view's `ProvisioningState/failed/CODE`."""
        try:
            view = self._sender.call(Call.READ, f"instance view of {name}", lambda azure: self._instance_view(azure, name))
        except Refused as refused:
            if refused.absent:
                return None
            raise refused.as_unreachable() from None
        return failure_in(view)

    def console(self, name: VmName) -> str | None:
        """The end of a VM's serial console log (see Cloud)."""
        return read_console(self._sender, name)

    def leftovers(self) -> tuple[Leftover, ...]:
        """Network interfaces and disks of this cluster (see Cloud)."""
        return list_leftovers(self._sender, self._cluster)

    def remove(self, leftover: Leftover) -> bool:
        """Ask that a leftover goes (see Cloud)."""
        return remove_leftover(self._sender, leftover)

    def deallocate(self, name: VmName) -> bool:
        """Ask that a VM is stopped, its host given back, its disk kept (see Cloud)."""
        return self._power_call(Call.DEALLOCATE, name)

    def start(self, name: VmName) -> bool:
        """Ask that a deallocated VM starts (see Cloud)."""
        return self._power_call(Call.UPDATE, name)

    def power(self, name: VmName) -> VmPower | None:
        """A VM's power state (see Cloud), from the instance view."""
        try:
            view = self._sender.call(Call.READ, f"power state of {name}", lambda azure: self._instance_view(azure, name))
        except Refused as refused:
            if refused.absent:
                return None
            raise refused.as_unreachable() from None
        power = power_in(view)
        if power is None:  # a VM must not be taken for a stopped one, and deleted, because Azure does not know
            raise CloudUnreachable(f"power state of {name}: Azure does not say")
        return power

    def _power_call(self, call: Call, name: VmName) -> bool:
        """Start or deallocate; True = there is no such VM. A refusal after a fault may be that of a second call which met the
        first at work: nothing is concluded from it."""
        faults: MutableSequence[Fault] = []
        what = f"{'start' if call is Call.UPDATE else 'deallocation'} of {name}"
        try:
            self._sender.call(call, what, lambda azure: self._power(azure, call, name), faults)
        except Refused as refused:
            if refused.absent:
                return True
            if faults or refused.no_right:
                raise refused.as_unreachable() from None
            raise CreateRefused(refused.code, refused.message, refused.status) from None
        return False

    def _accept_if_ours(self, order: VmOrder, refused: Refused) -> None:
        """A VM of that name with our launch's tag is the one that was asked for. Otherwise raises."""
        try:
            self._sender.wait_for_token(Call.READ)
            vm = self._sender.call(Call.READ, f"look at {order.vm_name}", lambda azure: self._get(azure, order.vm_name))
        except Refused as answer:
            if not answer.absent or refused.status == 412:
                raise CloudUnreachable(f"{refused}; then {answer}") from None
            raise CreateRefused(refused.code, refused.message, refused.status) from None
        except (Throttled, CredentialRefused) as error:
            raise CloudUnreachable(f"{refused}; then {error}") from None
        if launch_of(vm) != order.launch:
            message = f"there is a VM {order.vm_name} already, and it is not of launch {order.launch}"
            raise CreateRefused(refused.code, message, refused.status)

    # One request each; all go through the sender.

    def _put(self, azure: Connection, name: VmName, body: bytes) -> None:
        azure.vms.begin_create_or_update(
            self._group,
            name,
            cast(IO[bytes], body),
            match_condition=MatchConditions.IfMissing,
            polling=False,
            **charged_to(Call.CREATE),
        )

    def _delete(self, azure: Connection, name: VmName) -> int:
        poller: LROPoller[Any] = azure.vms.begin_delete(
            self._group, name, force_deletion=True, polling=False, cls=_status, **charged_to(Call.DELETE)
        )
        status: int = poller.result()
        return status

    def _get(self, azure: Connection, name: VmName) -> Json:
        vm: Any = azure.vms.get(self._group, name, cls=_json, **charged_to(Call.READ))
        return cast(Json, vm)

    def _instance_view(self, azure: Connection, name: VmName) -> Json:
        view: Any = azure.vms.instance_view(self._group, name, cls=_json, **charged_to(Call.READ))
        return cast(Json, view)

    def _power(self, azure: Connection, call: Call, name: VmName) -> None:
        begin = azure.vms.begin_start if call is Call.UPDATE else azure.vms.begin_deallocate
        begin(self._group, name, polling=False, **charged_to(call))


def _status(response: Any, _body: object, _headers: object) -> int:
    status: int = response.http_response.status_code
    return status


def _json(response: Any, _model: object, _headers: object) -> Json:
    body: Json = response.http_response.json()
    return body
