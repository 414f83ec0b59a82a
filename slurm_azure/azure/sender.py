"""How a request gets its answer: by the thread's own connection, within the budgets, tried again after a fault.

Only transport faults, 408 and 5xx are tried again, a few times within seconds. What else Azure answers is in answers.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, MutableSequence, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

from azure.core.exceptions import AzureError, HttpResponseError
from azure.core.rest import HttpRequest
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt

from slurm_azure.azure.answers import LONGEST_WAIT, Fault, explain
from slurm_azure.azure.cloud import Call
from slurm_azure.azure.limits import Limits
from slurm_azure.azure.pipeline import OPTION, READ_TIMEOUT, Connection, Credential, Heard, connect
from slurm_azure.azure.vm import Json
from slurm_azure.config import Azure
from slurm_azure.errors import CloudUnreachable, Throttled

_TRIES = 3
_PAGES = 10_000  # a list that has more pages than this goes in circles

T = TypeVar("T")


class Sender:
    """Sends requests. Safe for any number of threads; each has its own connection.

    `heard` is told of each answer (for metrics); `sleep` waits seconds, between tries and for tokens of further pages;
    `read_timeout` is how many an answer may take.
    """

    def __init__(
        self,
        azure: Azure,
        credential: Credential,
        limits: Limits,
        heard: Heard = lambda call, status, seconds: None,
        sleep: Callable[[float], None] = time.sleep,
        read_timeout: float = READ_TIMEOUT,
    ) -> None:
        self.azure, self.limits = azure, limits
        self._credential, self._heard, self._sleep, self._read_timeout = credential, heard, sleep, read_timeout
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

    def call(
        self, call: Call, what: str, request: Callable[[Connection], T], faults: MutableSequence[Fault] | None = None
    ) -> T:
        """Send a request, again if there was a fault; `faults` gets those. Raises Refused, Throttled, CredentialRefused,
        CloudUnreachable."""
        wait = self.limits.paused(call)
        if wait > 0:  # a call that got its token before, and has waited for its thread since
            raise Throttled(wait, what)
        done: T = self._retrying(self._try, call, what, request, [] if faults is None else faults)
        return done

    def wait_for_token(self, call: Call) -> None:
        """For requests that the caller has not reserved: the pages after the first, and further tries. Raises Throttled."""
        waited = 0.0
        while (wait := self.limits.reserve(call)) > 0:
            if waited + wait > LONGEST_WAIT:
                raise Throttled(wait, f"{call} calls")
            self._sleep(wait)
            waited += wait

    def url(self, kind: str, api_version: str, name: str | None = None) -> str:
        """Of all resources of a kind ("Microsoft.Compute/disks") in the resource group, or of the one of that name."""
        where = self.azure
        one = "" if name is None else f"/{quote(name, safe='')}"
        return (
            f"{where.endpoint.rstrip('/')}/subscriptions/{where.subscription}/resourceGroups/{quote(where.resource_group)}"
            f"/providers/{kind}{one}?api-version={api_version}"
        )

    def pages(self, call: Call, what: str, url: str) -> Iterator[Sequence[Json]]:
        """The `value` of each page of a list, each page dropped as soon as it is read. Raises as `call` does, and KeyError and
        the like for what is no page."""
        seen = {url}
        for _ in range(_PAGES):
            page: Json = self.call(call, what, lambda azure, url=url: _page(azure, call, url))  # type: ignore[misc]
            yield page["value"]
            if not page.get("nextLink"):
                return
            url = _same_azure(what, self.azure.endpoint, page["nextLink"])
            if url in seen:
                raise CloudUnreachable(f"the {what} goes in circles: a page links to one that was there before")
            seen.add(url)
            self.wait_for_token(call)
        raise CloudUnreachable(f"the {what} does not end after {_PAGES} pages")

    def connection(self) -> Connection:
        """This thread's."""
        found: Connection | None = getattr(self._own, "connection", None)
        if found is None:
            found = connect(self.azure, self._credential, self.limits, self._heard, self._read_timeout)
            self._own.connection = found
            self._connections.append(found)
        return found

    def _try(self, call: Call, what: str, request: Callable[[Connection], T], faults: MutableSequence[Fault]) -> T:
        if faults:
            self.wait_for_token(call)
        try:
            return request(self.connection())
        except (AzureError, ValueError) as error:  # ValueError: JSON or header that the SDK cannot read
            problem = explain(self.limits, call, what, error)
            if isinstance(problem, Fault):
                faults.append(problem)
            raise problem from None


def _wait(state: RetryCallState) -> float:
    """Seconds before the next try: 0.5, then 1, or as long as Azure asks."""
    fault = state.outcome.exception() if state.outcome is not None else None
    backoff = 0.5 * 2.0 ** (state.attempt_number - 1)
    return max(backoff, fault.after) if isinstance(fault, Fault) else backoff


def charged_to(call: Call) -> dict[str, Any]:
    """The keyword that tells our pipeline what a request is."""
    return {OPTION: call}


def _page(azure: Connection, call: Call, url: str) -> Json:
    # Not through the SDK's list: turning each VM into models costs 0.4 ms of CPU a VM, reading it costs 0.05.
    response = azure.arm.send_request(HttpRequest("GET", url), **charged_to(call))
    if response.status_code != 200:
        raise HttpResponseError(response=response)
    page: Json = response.json()
    return page


def _same_azure(what: str, endpoint: str, link: str) -> str:
    """`link`, if our token may go there: to the endpoint's host or a region of it."""
    ours, theirs = urlsplit(endpoint), urlsplit(link)
    if theirs.scheme != "https" or not (theirs.netloc == ours.netloc or theirs.netloc.endswith(f".{ours.netloc}")):
        raise CloudUnreachable(f"the {what} goes on at {theirs.netloc or link!r}, which is not {ours.netloc}")
    return link
