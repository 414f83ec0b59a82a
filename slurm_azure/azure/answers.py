"""What Azure answered, turned into our errors.

What Azure means is told by `error.code` and the HTTP status, never by the SDK's exception class: a quota that is used up
arrives as ResourceExistsError, because its status is 409. An answer without Azure's error body (a proxy's page) is no answer:
nothing is concluded from it.
"""

from __future__ import annotations

from typing import Any

from azure.core.exceptions import AzureError

from slurm_azure.azure.cloud import Call, VmPower
from slurm_azure.azure.failures import classify, innermost, one_line
from slurm_azure.azure.limits import Limits, retry_after
from slurm_azure.azure.vm import Json
from slurm_azure.errors import CloudError, CloudUnreachable, CredentialRefused, Throttled
from slurm_azure.model import Failure, FailureReason

LONGEST_WAIT = 10.0
"""Seconds that a call may wait inside itself."""

_PAUSE = 5.0  # seconds, for a 429 that does not say how long
_ABSENT = frozenset({"resourcenotfound", "notfound"})
_NETWORK_BUSY = frozenset({"retryableerror", "retryableerrorduetoanotheroperation"})


class Fault(CloudUnreachable):
    """Worth another try. `after`: seconds Azure asks to wait before it."""

    def __init__(self, message: str, after: float = 0.0) -> None:
        self.after = after
        super().__init__(message)


class Refused(CloudError):
    """Azure said no, in its own words."""

    def __init__(self, what: str, code: str, message: str, status: int) -> None:
        self.code, self.message, self.status = code, message, status
        super().__init__(one_line(f"{what}: {code}: {message}"))

    @property
    def absent(self) -> bool:
        """Whether Azure says that the VM is not there. A resource group or subscription that is not found says nothing of it:
        that is a mistake in the configuration, and the VM may well be somewhere."""
        return self.status == 404 and self.code.lower() in _ABSENT

    @property
    def no_right(self) -> bool:
        """Whether our role lacks something. (The 403 of an Azure policy is another matter.)"""
        return self.status == 403 and self.code.lower().endswith("authorizationfailed")

    def as_unreachable(self) -> CloudError:
        """As what it is where the seam knows no refusal: everything but create."""
        return CredentialRefused(str(self)) if self.status == 403 else CloudUnreachable(str(self))


def explain(limits: Limits, call: Call, what: str, error: Exception) -> CloudError:
    """The SDK's exception as one of ours; also pauses a budget where Azure asks for it."""
    response: Any = getattr(error, "response", None)
    if response is None:
        words = one_line(f"{what}: {error}")
        return Fault(words) if isinstance(error, AzureError) else CloudUnreachable(words)
    if response.status_code < 300:  # the SDK's words would quote the whole answer
        return Fault(f"{what}: HTTP {response.status_code}, in an answer that is not what Azure sends")
    status: int = response.status_code
    code, message = _words(response)
    said = one_line(f"{what}: HTTP {status} {code}: {message}")
    after = retry_after(response.headers)
    if status == 429:
        return _throttled(limits, call, what, code, after)
    if status == 408 or status >= 500:
        return _faulty(limits, call, said, after)
    if status == 401:
        return CredentialRefused(f"{said}; see azure.credential")
    if status < 400 or not code:
        return CloudUnreachable(f"{said}: this does not come from Azure; see proxy settings and azure.endpoint")
    return Refused(what, code, message, status)


def _throttled(limits: Limits, call: Call, what: str, code: str, after: float | None) -> CloudError:
    seconds = _PAUSE if after is None else after
    if code.lower() not in _NETWORK_BUSY:  # that one means the subnet, not our budget
        limits.pause(call, seconds)
    return Throttled(seconds, what)


def _faulty(limits: Limits, call: Call, said: str, after: float | None) -> CloudError:
    if after is not None and after > LONGEST_WAIT:
        limits.pause(call, after)
        return CloudUnreachable(f"{said}; asked to come back in {after:.0f} s")
    return Fault(said, after or 0.0)


def failure_in(view: Json) -> Failure:
    """The cause that an instance view gives (Microsoft Learn, "States and billing status of Azure Virtual Machines")."""
    for status in view.get("statuses") or ():
        kind, _, rest = str(status.get("code", "")).partition("/")
        state, _, code = rest.partition("/")
        if kind.lower() != "provisioningstate":
            continue
        words = str(status.get("message") or status.get("displayStatus") or "")
        if state.lower() == "failed" and code:
            return classify(code, words)
        return Failure(FailureReason.UNKNOWN, one_line(f"provisioning {state}: {words}"))
    return Failure(FailureReason.UNKNOWN, "provisioning failed; Azure does not say why")


_POWER = {
    "running": VmPower.RUNNING,
    "starting": VmPower.RUNNING,
    "deallocated": VmPower.DEALLOCATED,
    "stopping": VmPower.OTHER,
    "stopped": VmPower.OTHER,
    "deallocating": VmPower.OTHER,
}


def power_in(view: Json) -> VmPower | None:
    """The power state that an instance view gives (the same page); None: it gives none, or `unknown`, so nothing is known."""
    for status in view.get("statuses") or ():
        kind, _, state = str(status.get("code", "")).lower().partition("/")
        if kind == "powerstate":
            return _POWER.get(state)
    return None


def _words(response: Any) -> tuple[str, str]:
    """Code and message of an answer; no code = this is not Azure's error format."""
    try:
        return innermost(response.json())
    except (ValueError, RecursionError):
        return "", one_line(response.text()[:1000])
