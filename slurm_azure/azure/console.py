"""A VM's serial console log: Azure is asked where it is, then it is fetched from the storage service, as anybody would.

Source: Microsoft Learn, "Azure boot diagnostics", and OpenAPI, VirtualMachines_RetrieveBootDiagnosticsData: links that are good
for a while to whoever has them. So our token stays here, and the link goes into no message and no log: that is why it is not
fetched by the SDK's transport, for urllib3 logs each address. The storage service takes `bytes=START-` but no range from the
end ("Specifying the range header for Blob service operations").
"""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, cast
from urllib.error import HTTPError
from urllib.parse import SplitResult, urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, Request, build_opener

from slurm_azure.azure.answers import Refused
from slurm_azure.azure.cloud import Call
from slurm_azure.azure.pipeline import Connection
from slurm_azure.azure.sender import Sender, charged_to
from slurm_azure.azure.vm import Json
from slurm_azure.errors import CloudUnreachable
from slurm_azure.model import VmName

KEEP = 64 * 1024
"""Bytes of the log that are kept: its end, where the failure is."""

_MINUTES = 5  # that the link is good for
_SECONDS = 30.0  # that fetching may take
_SILENCE = 10.0  # seconds without an answer, or a byte more of it
_LARGEST = 1024 * 1024  # bytes that are read rather than skipped over
_STORAGE = ("core.windows.net", "storage.azure.net", "core.chinacloudapi.cn", "core.usgovcloudapi.net")


def read_console(sender: Sender, name: VmName, clock: Callable[[], float] = time.monotonic) -> str | None:
    """The end of the log as text; None = there is none (yet), or no VM. Raises Throttled, CredentialRefused,
    CloudUnreachable. `clock` tells seconds that only grow."""
    try:
        answer = sender.call(Call.CONSOLE, f"console log of {name}", lambda azure: _where(azure, sender, name))
    except Refused as refused:
        if refused.absent or refused.status == 409:  # not enabled on this VM, or the VM is on its way out
            return None
        raise refused.as_unreachable() from None
    link = answer.get("serialConsoleLogBlobUri") if isinstance(answer, dict) else None
    if not isinstance(link, str) or not link:
        return None
    log = _Log(name, _trusted(name, link, sender.azure.endpoint), sender.azure.ca_file, clock)
    found = log.fetch()
    return None if found is None else found.rstrip(b"\0").decode("utf-8", "replace")


def _where(azure: Connection, sender: Sender, name: VmName) -> Json:
    found: Any = azure.vms.retrieve_boot_diagnostics_data(
        sender.azure.resource_group,
        name,
        sas_uri_expiration_time_in_minutes=_MINUTES,
        cls=lambda response, _model, _headers: response.http_response.json(),
        **charged_to(Call.CONSOLE),
    )
    return cast(Json, found)


def _trusted(name: VmName, link: str, endpoint: str) -> SplitResult:
    """The link taken apart, if it leads to Azure's storage or to where the endpoint is: an answer must not make the head node
    fetch from wherever it likes, such as its own network."""
    url, home = urlsplit(link), urlsplit(endpoint)
    host, ours = (url.hostname or "").rstrip("."), home.hostname or ""
    known = (*_STORAGE, *_siblings(ours))
    good = host == ours or any(host.endswith(f".{domain}") for domain in known)
    if url.scheme != "https" or url.username is not None or not good:
        raise CloudUnreachable(f"console log of {name}: Azure says it is at {host or 'no host'}, which is not its storage")
    return url


def _siblings(host: str) -> tuple[str, ...]:
    """The domain that an Azure of one's own has its services in: management.REGION.DOMAIN, and *.blob.REGION.DOMAIN."""
    parent = host.partition(".")[2]
    try:
        ip_address(host)
    except ValueError:
        return (parent,) if "." in parent else ()
    return ()


class _StayHere(HTTPRedirectHandler):
    """Where the storage service points to has not been looked at by `_trusted`."""

    def redirect_request(self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> None:
        """Follow nothing: the redirection becomes an HTTPError."""


class _Log:
    """One log, fetched within `_SECONDS`."""

    def __init__(self, name: VmName, url: SplitResult, ca_file: str | None, clock: Callable[[], float]) -> None:
        self._name, self._url, self._ca_file, self._clock = name, url, ca_file, clock
        self._until = clock() + _SECONDS

    def fetch(self) -> bytes | None:
        """Its last KEEP bytes; None = there is no such log."""
        where = f"console log of {self._name}: {self._url.hostname}"
        try:
            opener = build_opener(HTTPSHandler(context=ssl.create_default_context(cafile=self._ca_file)), _StayHere())
            answer = self._open(opener, 0)
            length = answer.headers.get("Content-Length", "")
            if length.isdecimal() and int(length) > _LARGEST:
                answer.close()
                answer = self._open(opener, int(length) - KEEP)
            return self._tail(answer)
        except HTTPError as error:
            error.close()
            if error.code == 404:
                return None
            raise CloudUnreachable(f"{where}: HTTP {error.code}") from None
        except (OSError, http.client.HTTPException) as error:
            # Not the error's own words: they may quote the link.
            raise CloudUnreachable(f"{where}: {type(getattr(error, 'reason', error)).__name__}") from None

    def _open(self, opener: OpenerDirector, start: int) -> http.client.HTTPResponse:
        headers = {"Range": f"bytes={start}-"} if start else {}
        request = Request(self._url.geturl(), headers=headers)  # noqa: S310 - _trusted lets only https through
        answer: http.client.HTTPResponse = opener.open(request, timeout=_SILENCE)
        return answer

    def _tail(self, answer: http.client.HTTPResponse) -> bytes:
        kept, total = b"", 0
        with answer:
            while total < 16 * _LARGEST and (piece := answer.read1(KEEP)):
                kept, total = (kept + piece)[-KEEP:], total + len(piece)
                if self._clock() > self._until:
                    raise CloudUnreachable(f"console log of {self._name}: not read within {_SECONDS:.0f} s")
            if total < 16 * _LARGEST and answer.length:
                raise CloudUnreachable(f"console log of {self._name}: it broke off")  # the end is what matters
        return kept
