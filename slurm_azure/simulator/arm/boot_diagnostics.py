"""Boot diagnostics: console log and screenshot of a VM, and the links under which they can be fetched without a token.

Sources: "Azure boot diagnostics" and OpenAPI (VirtualMachines_RetrieveBootDiagnosticsData: lifetime 1 to 1440 minutes, 120
unless told); links and refusals as in "Create a service SAS" and "Blob service error codes" (all Microsoft Learn).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import struct
import zlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

from slurm_azure.simulator.arm.power import ONE, find
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal, invalid_parameter
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World

_ACTION = "Microsoft.Compute/virtualMachines/retrieveBootDiagnosticsData/action"
_BLOBS = "/bootdiagnostics-storage/"
_LOG, _SCREENSHOT = "serialconsole.log", "screenshot.bmp"
_VERSION = "2018-03-28"  # x-ms-version of the storage service
_WIDTH, _HEIGHT = 720, 400  # of the text console


class BootDiagnostics:
    """Answers retrieveBootDiagnosticsData, and requests for what it told of. The key to the links is made anew at each
    start."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._key = secrets.token_bytes(32)

    def routes(self) -> list[Route]:
        """The operation."""
        operation = "VirtualMachines_RetrieveBootDiagnosticsData"
        return [Route("POST", ONE + "/retrieveBootDiagnosticsData", operation, _ACTION, self.retrieve)]

    def retrieve(self, call: Call) -> Reply:
        """The two links. Raises Refusal (409) for a VM without boot diagnostics; its code and text are not documented."""
        vm = find(self._world, call)
        minutes = _minutes(call)
        if vm.boot_diagnostics is None:
            verb = "retrieveBootDiagnosticsData"
            message = f"Operation '{verb}' is not allowed on VM '{vm.name}' since boot diagnostics is not enabled on the VM."
            raise Refusal(409, "OperationNotAllowed", message)
        until = self._world.clock.now() + 60 * minutes
        links = {
            "consoleScreenshotBlobUri": self._link(call.base, _path(vm, _SCREENSHOT), until),
            "serialConsoleLogBlobUri": self._link(call.base, _path(vm, _LOG), until),
        }
        return Reply(200, links)

    def _link(self, base: str, path: str, until: float) -> str:
        expiry = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {"sv": _VERSION, "sr": "b", "sig": self._signature(path, expiry), "se": expiry, "sp": "r"}
        return f"{base}{quote(path)}?{urlencode(query)}"

    def _signature(self, path: str, expiry: str) -> str:
        signed = hmac.new(self._key, f"r\n{expiry}\n{path}".encode(), hashlib.sha256)
        return base64.b64encode(signed.digest()).decode()

    def answer(self, call: Call) -> Reply | None:
        """The log or screenshot that a link leads to, or None where the path is not the storage's."""
        if not call.path.startswith(_BLOBS):
            return None
        call.operation = "BootDiagnostics_GetBlob"
        if call.method not in ("GET", "HEAD"):
            return _blob_error(405, "UnsupportedHttpVerb", "The resource doesn't support specified Http Verb.")
        expiry = call.query.get("se", "")
        signature = self._signature(call.path, expiry).encode()
        if not hmac.compare_digest(signature, call.query.get("sig", "").encode()):
            return _not_authentic("Signature did not match. String to sign used was not that of this link.")
        if datetime.fromisoformat(expiry).timestamp() <= self._world.clock.now():
            return _not_authentic(f"Signature not valid in the specified time frame: Expiry [{expiry}]")
        return self._blob(call)

    def _blob(self, call: Call) -> Reply:
        name = call.path.rsplit("/", 1)[1]
        what = _LOG if name.endswith(_LOG) else _SCREENSHOT
        vm_name = name[: -len(f".{'0' * 36}.{what}")].lower()
        found = (group.vms.get(vm_name) for group in self._world.groups.values())
        vm = next((vm for vm in found if vm is not None and _path(vm, what) == call.path), None)
        if vm is None:
            return _blob_error(404, "BlobNotFound", "The specified blob does not exist.")
        headers = {"x-ms-version": _VERSION, "x-ms-blob-type": "PageBlob"}
        if what == _LOG:
            return Reply(200, headers=headers, raw=console(vm), content_type="text/plain")
        return Reply(200, headers=headers, raw=screenshot(), content_type="image/bmp")


def console(vm: VirtualMachine) -> bytes:
    """What the VM's machine has written to its console; of one that is stopped, what its last machine had."""
    if vm.machine is not None:
        return vm.machine.console()
    return zlib.decompress(vm.log) if vm.log is not None else b""


def screenshot() -> bytes:
    """A picture of the screen, which is dark: the console is the serial line. A bitmap of one bit a pixel."""
    row = (_WIDTH + 31) // 32 * 4
    palette = bytes(4) + b"\xaa\xaa\xaa\x00"
    start = 14 + 40 + len(palette)
    header = struct.pack("<2sIHHI", b"BM", start + row * _HEIGHT, 0, 0, start)
    return (
        header
        + struct.pack("<IiiHHIIiiII", 40, _WIDTH, _HEIGHT, 1, 1, 0, row * _HEIGHT, 2835, 2835, 2, 0)
        + palette
        + bytes(row * _HEIGHT)
    )


def instance_view(vm: VirtualMachine) -> dict[str, Any] | None:
    """The `bootDiagnostics` of an instance view, None if they are not enabled. Links are shown only for a storage account of
    one's own ("This will not be set if boot diagnostics is currently enabled with managed storage", OpenAPI)."""
    settings = vm.boot_diagnostics
    if settings is None:
        return None
    account = settings.get("storageUri")
    if not isinstance(account, str) or not account:
        return {}
    folder = f"{account.rstrip('/')}/{_container(vm)}/{vm.name}.{vm.vm_id}"
    return {"consoleScreenshotBlobUri": f"{folder}.{_SCREENSHOT}", "serialConsoleLogBlobUri": f"{folder}.{_LOG}"}


def _container(vm: VirtualMachine) -> str:
    plain = re.sub(r"[^a-z0-9]", "", vm.name.lower())[:9]
    return f"bootdiagnostics-{plain}-{vm.vm_id}"


def _path(vm: VirtualMachine, what: str) -> str:
    return f"{_BLOBS}{_container(vm)}/{vm.name}.{vm.vm_id}.{what}"


def _minutes(call: Call) -> int:
    name = "sasUriExpirationTimeInMinutes"
    given = call.query.get(name, "120")
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= 1440:
        raise invalid_parameter(name, f"The value '{given}' of parameter {name} is invalid: it has to be between 1 and 1440.")
    return int(given)


def _not_authentic(detail: str) -> Reply:
    message = (
        "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including "
        "the signature."
    )
    return _blob_error(403, "AuthenticationFailed", message, detail)


def _blob_error(status: int, code: str, message: str, detail: str = "") -> Reply:
    more = f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>" if detail else ""
    body = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>'
    headers = {"x-ms-error-code": code, "x-ms-version": _VERSION}
    return Reply(status, headers=headers, raw=body.encode(), content_type="application/xml")
