"""What the simulated Azure can bear: 10,000 VMs over TLS from one client on the same cores, throttling off, machines of grade
none, each with the customData of a whole cluster's node (some 38 kB in base64)."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bench.figures import Figure

VMS, CONNECTIONS, GETS, RUNS = 10_000, 64, 5_000, 3
VERSION = "api-version=2024-07-01"
_ESTATE = {
    "tenant": "5e1fca5e-0000-4000-8000-00000000a001",
    "subscription": "5e1fca5e-0000-4000-8000-00000000b001",
    "client": "5e1fca5e-0000-4000-8000-00000000d001",
}
_ROOT = f"/subscriptions/{_ESTATE['subscription']}"
_GROUP = f"{_ROOT}/resourceGroups/slurm-burst/providers/Microsoft.Compute/virtualMachines"
_ALL = f"{_ROOT}/providers/Microsoft.Compute/virtualMachines"
_SUBNET = f"{_ROOT}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/vnet/subnets/burst"
_COUNTING = ["--page-size", "200", "--boot-seconds", "0", "--create-seconds", "0", "--delete-seconds", "0"]


def measure() -> list[Figure]:
    """One life of 10,000 VMs, and a start and an end of the process without and with them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _started(folder)  # makes the keys, which later starts find
        starts = [_started(folder) for _ in range(RUNS)]
        with _process(folder) as (process, ready):
            found = asyncio.run(_life(process, ready))
            began = time.perf_counter()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            ended = time.perf_counter() - began
    return [
        Figure("simulator: start to ready line", "s", starts, 1.0),
        *found,
        Figure(f"simulator: SIGTERM to exit with {VMS} VMs", "s", [ended], 2.0),
    ]


@contextmanager
def _process(folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    command = [sys.executable, "-m", "slurm_azure.simulator", "--folder", str(folder), "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        [*command, "--no-throttling", "--seed", "1", *_COUNTING],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def _started(folder: Path) -> float:
    """Seconds from the start of the process to its ready line."""
    began = time.perf_counter()
    with _process(folder):
        return time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class _Client:
    session: aiohttp.ClientSession
    base: str

    async def send(self, method: str, target: str, body: bytes | None = None, expected: int = 200) -> Any:
        url = target if target.startswith("https:") else f"{self.base}{target}"
        async with self.session.request(method, url, data=body) as answer:
            content = await answer.read()
            if answer.status != expected:
                raise SystemExit(f"{method} {target}: {answer.status} {content[:500]!r}")
            return json.loads(content) if content else None

    async def rate(self, calls: Iterable[tuple[str, str, bytes | None, int]], count: int) -> float:
        """Calls per second, over all connections at once."""
        waiting = iter(calls)

        async def work() -> None:
            for method, target, body, expected in waiting:
                await self.send(method, target, body, expected)

        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
        return count / (time.perf_counter() - began)

    async def pages(self, target: str) -> int:
        """How many items a list has, read to its end."""
        link, found = target, 0
        while link:
            page = await self.send("GET", link)
            found, link = found + len(page["value"]), page.get("nextLink")
        return found


async def _life(process: subprocess.Popen[str], ready: dict[str, Any]) -> list[Figure]:
    context = ssl.create_default_context(cafile=ready["ca_file"])
    connector = aiohttp.TCPConnector(limit=CONNECTIONS, ssl=context)
    base = ready["endpoint"]
    folder = Path(ready["ca_file"]).parent
    async with aiohttp.ClientSession(connector=connector) as session:
        token = await _token(session, base, (folder / "daemon.secret").read_text())
        session.headers["Authorization"] = f"Bearer {token}"
        session.headers["Content-Type"] = "application/json"
        return await _measured(_Client(session, base), process.pid)


async def _token(session: aiohttp.ClientSession, base: str, secret: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": _ESTATE["client"], "client_secret": secret.strip()}
    data = urlencode(form | {"scope": "https://management.azure.com/.default"})
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with session.post(f"{base}/{_ESTATE['tenant']}/oauth2/v2.0/token", data=data, headers=headers) as answer:
        found: str = (await answer.json())["access_token"]
    return found


async def _measured(client: _Client, pid: int) -> list[Figure]:
    blob = _custom_data()
    cpu = _cpu(pid)
    creates = await client.rate((("PUT", f"{_GROUP}/az-{n}?{VERSION}", _body(n, blob), 201) for n in range(VMS)), VMS)
    cpu = (_cpu(pid) - cpu) * 1e3 / VMS
    memory = _memory(pid)
    gets = await client.rate((("GET", f"{_GROUP}/az-{n}?{VERSION}", None, 200) for n in range(GETS)), GETS)
    lists = [await _list(client, pid, f"{_GROUP}?{VERSION}") for _ in range(RUNS)]
    statuses = [await _list(client, pid, f"{_ALL}?statusOnly=true&{VERSION}") for _ in range(RUNS)]
    deletes = await client.rate((("DELETE", f"{_GROUP}/az-{n}?{VERSION}", None, 202) for n in range(VMS // 2)), VMS // 2)
    again = await client.rate((("PUT", f"{_GROUP}/re-{n}?{VERSION}", _body(n, blob), 201) for n in range(VMS // 2)), VMS // 2)
    return [
        Figure(f"simulator: creates up to {VMS} VMs", "/s", [creates, again], 500, at_least=True),
        Figure("simulator: CPU of the simulator for one create", "ms", [cpu], 1.5),
        Figure("simulator: deletes", "/s", [deletes], 500, at_least=True),
        Figure("simulator: GETs of a VM", "/s", [gets]),
        Figure(f"simulator: memory with {VMS} VMs", "MiB", [memory], 500),
        Figure(f"simulator: list of {VMS} VMs, all pages", "s", [wall for wall, _ in lists]),
        Figure(f"simulator: list of {VMS} VMs, CPU of the simulator", "s", [cpu for _, cpu in lists]),
        Figure(f"simulator: statusOnly list of {VMS} VMs, all pages", "s", [wall for wall, _ in statuses]),
        Figure(f"simulator: statusOnly list of {VMS} VMs, CPU of the simulator", "s", [cpu for _, cpu in statuses]),
    ]


async def _list(client: _Client, pid: int, target: str) -> tuple[float, float]:
    """Seconds and CPU seconds of the simulator for all pages of a list."""
    cpu, began = _cpu(pid), time.perf_counter()
    found = await client.pages(target)
    if found != VMS:
        raise SystemExit(f"{target} has {found} VMs, not {VMS}")
    return time.perf_counter() - began, _cpu(pid) - cpu


def _custom_data() -> Callable[[int], str]:
    """User data as a site's is: alike but for the node's name, and text that compresses about as well as scripts do."""
    words = random.Random(1)
    lines = [f"  - [run, /opt/node/step-{words.randrange(10**9):x}, --option={words.randrange(10**6)}]" for _ in range(560)]
    text = "#cloud-config\n" + "\n".join(lines)

    def of_node(number: int) -> str:
        return base64.b64encode(f"{text}\nhostname: az-{number}\n".encode()).decode()

    return of_node


def _body(number: int, custom_data: Callable[[int], str]) -> bytes:
    interface = {
        "primary": True,
        "deleteOption": "Delete",
        "ipConfigurations": [{"name": "ipc0", "properties": {"primary": True, "subnet": {"id": _SUBNET}}}],
    }
    os_disk = {"createOption": "FromImage", "deleteOption": "Delete", "managedDisk": {"storageAccountType": "StandardSSD_LRS"}}
    key = {"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAAC3Nz bench"}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_F2s_v2"},
        "storageProfile": {
            "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "latest"},
            "osDisk": os_disk,
        },
        "osProfile": {
            "computerName": f"az-{number}",
            "adminUsername": "azureuser",
            "customData": custom_data(number),
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
        },
        "networkProfile": {
            "networkApiVersion": "2020-11-01",
            "networkInterfaceConfigurations": [{"name": "nic0", "properties": interface}],
        },
    }
    tags = {"slurm-azure-cluster": "bench", "slurm-azure-node": f"az-{number}", "slurm-azure-pool": "hb"}
    return json.dumps({"location": "westeurope", "tags": tags, "properties": properties}).encode()


def _cpu(pid: int) -> float:
    """CPU seconds of a process so far (man proc: utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """MiB that a process holds."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
