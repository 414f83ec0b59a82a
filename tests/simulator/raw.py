"""Requests by hand, for what the SDK would never send or never show: one call, and the whole answer."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from tests.support.simulated_azure import CLIENT, SECRET, SimulatedAzure

VERSION = "2026-04-01"


@dataclass(frozen=True)
class Answer:
    """Status, headers and JSON body (None if empty) of an answer; `text` is the body as it came."""

    status: int
    headers: http.client.HTTPMessage
    body: Any
    text: bytes

    @property
    def code(self) -> str:
        """The code of the error in the body."""
        found: str = self.body["error"]["code"]
        return found


def ask(
    base: str,
    method: str,
    path: str,
    body: Any = None,
    headers: dict[str, str] | None = None,
    ca_file: str | None = None,
    source: str | None = None,
) -> Answer:
    """One request; `body` is JSON unless it is bytes; `source` is the address to call from."""
    url = urlsplit(base)
    address = (source, 0) if source else None
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(str(url.hostname), url.port, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10, source_address=address)
    content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    try:
        connection.request(method, path, content, headers or {})
        response = connection.getresponse()
        text = response.read()
    finally:
        connection.close()
    is_json = "json" in response.headers.get("Content-Type", "") and text
    return Answer(response.status, response.headers, json.loads(text) if is_json else None, text)


def token(
    azure: SimulatedAzure, scope: str = "https://management.azure.com", client: str = CLIENT, secret: str = SECRET
) -> str:
    """An access token of a service principal."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_secret": secret,
        "scope": f"{scope}/.default",
    }
    path = f"/{azure.tenant}/oauth2/v2.0/token"
    answer = ask(azure.authority, "POST", path, urlencode(form).encode(), ca_file=azure.ca_file)
    found: str = answer.body["access_token"]
    return found


def arm(
    azure: SimulatedAzure,
    method: str,
    path: str,
    body: Any = None,
    client: str = CLIENT,
    secret: str = SECRET,
    **headers: str,
) -> Answer:
    """One call to Resource Manager as a principal, the one who may do everything unless told; header names with `_` for `-`."""
    found = {"Authorization": f"Bearer {token(azure, client=client, secret=secret)}"}
    found |= {name.replace("_", "-"): value for name, value in headers.items()}
    separator = "&" if "?" in path else "?"
    return ask(azure.endpoint, method, f"{path}{separator}api-version={VERSION}", body, found, azure.ca_file)


def vm_path(azure: SimulatedAzure, name: str = "") -> str:
    """The path of a VM, or of the group's VMs."""
    path = f"{azure.group_path}/providers/Microsoft.Compute/virtualMachines"
    return f"{path}/{name}" if name else path
