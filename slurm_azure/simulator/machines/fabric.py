"""What Azure's network gives a VM besides its wire: an address by DHCP, and names at 168.63.129.16. Both are dnsmasq.

The wire server's address, the DHCP options and that DNS answers there: Microsoft, "What is IP address 168.63.129.16?".
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_azure.errors import SlurmAzureError

WIRE_SERVER = "168.63.129.16"
METADATA = "169.254.169.254"
# Names that lead to the simulator, with everything below them.
AZURE_NAMES = ("management.azure.com", "login.microsoftonline.com", "vault.azure.net", "prices.azure.com")
_MOUNT_POINT = "/mnt"
_TELL_AFTER = 0.05  # seconds: one SIGHUP for many changes


class FabricError(SlurmAzureError):
    """The network of the simulated machines cannot be used."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One VM's entry: its MAC address, its IP address and its host name."""

    mac: str
    ip: str
    name: str


async def bridge_addresses(bridge: str) -> list[ipaddress.IPv4Interface]:
    """The addresses of `bridge` that have a subnet, in its order. Raises FabricError if there is none."""
    pipe = asyncio.subprocess.PIPE
    ask = ["ip", "-json", "-4", "address", "show", "dev", bridge]
    process = await asyncio.create_subprocess_exec(*ask, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    if process.returncode != 0:
        raise FabricError(f"bridge {bridge}: {err.decode(errors='replace').strip()}")
    entries = json.loads(out)[0].get("addr_info", [])
    found = [ipaddress.IPv4Interface(f"{entry['local']}/{entry['prefixlen']}") for entry in entries if entry["prefixlen"] < 32]
    if not found:
        raise FabricError(f"bridge {bridge} has no address with a subnet: give it one, such as 10.77.0.1/16")
    return found


def arguments(bridge: str, addresses: Sequence[ipaddress.IPv4Interface]) -> list[str]:
    """dnsmasq's arguments (man dnsmasq(8)): in each subnet static leases only, with routes to the platform's addresses;
    and Azure's names, which lead to the first address. Any other name is answered at once with "no such name": munged
    stalls for as long as a look-up waits for a server far away."""
    names = [f"--address=/{name}/{addresses[0].ip}" for name in AZURE_NAMES]
    return [
        "dnsmasq", "--keep-in-foreground", "--log-facility=-", "--user=root", "--conf-file=/dev/null", "--pid-file",
        f"--interface={bridge}", "--bind-dynamic", "--leasefile-ro", "--dhcp-authoritative", "--no-ping", "--quiet-dhcp",
        f"--dhcp-hostsfile={_MOUNT_POINT}/leases", "--dhcp-ignore-names", f"--dhcp-option=6,{WIRE_SERVER}",
        f"--dhcp-option-force=245,{WIRE_SERVER}",
        *(option for number, address in enumerate(addresses) for option in _subnet_options(f"subnet{number}", address)),
        "--no-resolv", "--no-hosts", f"--addn-hosts={_MOUNT_POINT}/names", "--server=/#/", *names,
    ]  # fmt: skip


def _subnet_options(tag: str, gateway: ipaddress.IPv4Interface) -> list[str]:
    routes = ",".join(f"{target},{gateway.ip}" for target in ("0.0.0.0/0", f"{WIRE_SERVER}/32", f"{METADATA}/32"))
    return [
        f"--dhcp-range=set:{tag},{gateway.network.network_address},static,{gateway.netmask}",
        f"--dhcp-option=tag:{tag},3,{gateway.ip}",
        f"--dhcp-option=tag:{tag},121,{routes}",
    ]


class Fabric:
    """dnsmasq for the VMs on one bridge, and the leases it gives."""

    def __init__(self, root: Path, bridge: str, folder: Path) -> None:
        self._root, self._bridge, self._folder = root, bridge, folder
        self._leases: dict[str, Lease] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._log = folder / "dnsmasq.log"
        self._telling: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Start dnsmasq out of the root file system `root`. Raises FabricError if the bridge has no subnet."""
        addresses = await bridge_addresses(self._bridge)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write()
        inside = ["chroot", str(self._root), *arguments(self._bridge, addresses)]
        bind = ["mount", "--bind", str(self._folder), f"{self._root}{_MOUNT_POINT}"]
        # The bind mount shows dnsmasq its files without writing into the root file system, and is seen by nobody else.
        script = f'{" ".join(bind)} && mount --bind /dev {self._root}/dev && exec "$@"'
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                "setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--propagation=private", "sh", "-c", script, "sh", *inside,
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        await self._answering(self._process)

    def add(self, lease: Lease) -> None:
        """Let the VM with `lease.mac` have `lease.ip`; known to dnsmasq within a tenth of a second."""
        self._leases[lease.mac] = lease
        self._tell()

    def remove(self, mac: str) -> None:
        """Forget the lease of `mac`, if there is one."""
        if self._leases.pop(mac, None) is not None:
            self._tell()

    async def close(self) -> None:
        """Stop dnsmasq."""
        if self._telling is not None:
            self._telling.cancel()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _answering(self, process: asyncio.subprocess.Process) -> None:
        """Wait until dnsmasq listens: a SIGHUP any earlier would end it."""
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection(WIRE_SERVER, 53)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
        text = self._log.read_text(encoding="utf-8", errors="replace").strip()
        raise FabricError(f"dnsmasq on {self._bridge} ended: {text[-500:]}")

    def _tell(self) -> None:
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(_TELL_AFTER, self._told)

    def _told(self) -> None:
        self._telling = None
        self._write()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGHUP)

    def _write(self) -> None:
        self._replace("leases", [f"{lease.mac},{lease.ip},infinite" for lease in self._leases.values()])
        self._replace("names", [f"{lease.ip} {lease.name}" for lease in self._leases.values()])

    def _replace(self, name: str, lines: list[str]) -> None:
        new = self._folder / f"{name}.new"
        new.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
        new.replace(self._folder / name)
