"""What there still is in Azure, asked as anybody would: a token, then lists over Azure Resource Manager's REST API.

Runs on the head node with Debian's Python alone (`python3 - < audit.py`), so that neither the product nor its SDK vouches for
itself. Prints one JSON object: counts of virtual machines, network interfaces and disks in the resource group.
"""

from __future__ import annotations

import json
import ssl
import sys
import urllib.parse
import urllib.request
from typing import Any

LISTS = {
    "virtual machines": ("Microsoft.Compute/virtualMachines", "2024-07-01"),
    "network interfaces": ("Microsoft.Network/networkInterfaces", "2024-05-01"),
    "disks": ("Microsoft.Compute/disks", "2023-10-02"),
}


def ask(url: str, token: str | None, form: dict[str, str] | None, context: ssl.SSLContext) -> Any:
    """One call; JSON in return."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30, context=context) as reply:
        return json.load(reply)


def count(url: str, token: str, context: ssl.SSLContext) -> int:
    """Items of a list, over all its pages."""
    total, more = 0, url
    while more:
        page = ask(more, token, None, context)
        total += len(page["value"])
        more = page.get("nextLink")
    return total


def main() -> None:
    """Arguments: tenant, client, secret file, CA file, subscription, resource group."""
    tenant, client, secret_file, ca_file, subscription, group = sys.argv[1:7]
    context = ssl.create_default_context(cafile=ca_file)
    with open(secret_file, encoding="ascii") as secret:
        form = {
            "grant_type": "client_credentials",
            "client_id": client,
            "client_secret": secret.read().strip(),
            "scope": "https://management.azure.com/.default",
        }
    login = ask(f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token", None, form, context)
    base = f"https://management.azure.com/subscriptions/{subscription}/resourceGroups/{group}/providers"
    found = {
        name: count(f"{base}/{kind}?api-version={version}", login["access_token"], context)
        for name, (kind, version) in LISTS.items()
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
