"""A simulated Azure for tests: the whole server over TLS on loopback, in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import heapq
import itertools
import json
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from azure.core.pipeline.transport import RequestsTransport
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from cryptography.hazmat.primitives.asymmetric import rsa

from slurm_azure.simulator.clock import Clock, RealClock
from slurm_azure.simulator.credentials import new_certificate, private_pem, write_private
from slurm_azure.simulator.options import Address, SimulatorOptions
from slurm_azure.simulator.serve import Endpoints, Simulator
from slurm_azure.simulator.timing import constant
from tests.support.witness import Witness

T = TypeVar("T")

TENANT = "7e571e57-0000-4000-8000-00000000a001"
SUBSCRIPTION = "7e571e57-0000-4000-8000-00000000b001"
CLIENT = "7e571e57-0000-4000-8000-00000000d001"
READER = "7e571e57-0000-4000-8000-00000000d003"
NODE_CLIENT = "7e571e57-0000-4000-8000-00000000c001"
SECRET = "a client's secret, known to tests only"
DAEMON = "7e571e57-0000-4000-8000-00000000d005"
DAEMON_SECRET = "the daemon's secret, known to tests only"
ROLE_FILE = Path(__file__).parents[2] / "etc/azure-role.json"


@dataclass
class _Call:
    callback: Callable[[], None] | None

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """A clock that stands still until `advance` is called (in the event loop). Starts at the real time."""

    def __init__(self) -> None:
        self._now = time.time()
        self._waiting: list[tuple[float, int, _Call]] = []
        self._count = itertools.count()

    def now(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> _Call:
        call = _Call(callback)
        heapq.heappush(self._waiting, (self._now + delay, next(self._count), call))
        return call

    async def sleep(self, delay: float) -> None:
        due = asyncio.Event()
        self.call_later(delay, due.set)
        await due.wait()

    def real(self, seconds: float) -> float:
        return seconds

    async def advance(self, seconds: float) -> None:
        """Let time pass; what falls due runs at its own moment, and what it starts has run as far as it can."""
        end = self._now + seconds
        await _settle()
        while self._waiting and self._waiting[0][0] <= end:
            when, _, call = heapq.heappop(self._waiting)
            self._now = max(self._now, when)
            if call.callback is not None:
                call.callback()
            await _settle()
        self._now = end


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@dataclass
class SimulatedAzure:
    """A running simulator, and how to reach it."""

    folder: Path
    endpoints: Endpoints
    _loop: asyncio.AbstractEventLoop
    _clock: Clock
    tenant: str = TENANT
    subscription: str = SUBSCRIPTION
    client_id: str = DAEMON
    resource_group: str = "slurm-burst"
    location: str = "westeurope"
    simulator: Simulator = field(repr=False, default=None)  # type: ignore[assignment]

    @property
    def endpoint(self) -> str:
        """https://127.0.0.1:PORT, of Resource Manager and of everything else behind TLS."""
        return self.endpoints.management

    @property
    def authority(self) -> str:
        """Where tokens come from."""
        return self.endpoints.management

    @property
    def ca_file(self) -> str:
        """The CA certificate to trust."""
        return str(self.endpoints.ca_file)

    @property
    def imds(self) -> str:
        """http://127.0.0.1:PORT of instance metadata and wire server."""
        return self.endpoints.imds[0]

    @property
    def secret_file(self) -> Path:
        """The secret of the daemon's principal (mode 0600)."""
        return self.folder / "daemon.secret"

    @property
    def certificate_file(self) -> Path:
        """Key and certificate of the daemon's principal, and of the owner's (PEM, mode 0600)."""
        return self.folder / "client.pem"

    @property
    def subnet_id(self) -> str:
        """The subnet for VMs, 127.66.0.0/16: loopback addresses, so that a test can speak as a VM."""
        return self._network_id("burst")

    @property
    def small_subnet_id(self) -> str:
        """A subnet with three addresses."""
        return self._network_id("small")

    @property
    def identity_id(self) -> str:
        """The nodes' user-assigned identity, which may read the vault."""
        provider = "Microsoft.ManagedIdentity/userAssignedIdentities"
        return f"{self.group_path}/providers/{provider}/slurm-nodes"

    @property
    def group_path(self) -> str:
        """/subscriptions/../resourceGroups/.. of the VMs."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"

    def _network_id(self, subnet: str) -> str:
        network = f"/subscriptions/{self.subscription}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/vnet"
        return f"{network}/subnets/{subnet}"

    def control(self, path: str, method: str = "GET") -> Any:
        """Ask the control endpoint (`/requests`, `/vms`, `/vms/NAME`, ..); the JSON it answers, None if nothing."""
        request = urllib.request.Request(f"{self.endpoints.control}{path}", method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def counts(self) -> dict[str, int]:
        """How often each operation was asked for."""
        found: dict[str, int] = self.control("/requests")["counts"]
        return found

    def forget(self) -> None:
        """Start counting requests anew."""
        self.control("/requests", "DELETE")

    def vms(self) -> list[dict[str, Any]]:
        """All VMs, briefly."""
        found: list[dict[str, Any]] = self.control("/vms")["value"]
        return found

    def advance(self, seconds: float) -> None:
        """Let time pass in the simulated world; only with `clock=ManualClock()`."""
        assert isinstance(self._clock, ManualClock), "time passes by itself: ask for clock=ManualClock()"
        self.run(self._clock.advance(seconds))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the simulator's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def credential(self, **options: Any) -> ClientSecretCredential:
        """Who may do everything, by unmodified azure-identity."""
        return ClientSecretCredential(
            self.tenant,
            CLIENT,
            SECRET,
            authority=self.authority,
            disable_instance_discovery=True,
            connection_verify=self.ca_file,
            **options,
        )

    @contextmanager
    def compute(self, credential: Any = None, **options: Any) -> Iterator[ComputeManagementClient]:
        """An unmodified azure-mgmt-compute client."""
        options.setdefault("retry_total", 0)
        options.setdefault("polling_interval", 0)
        chosen = credential or self.credential()
        client = ComputeManagementClient(
            chosen,
            self.subscription,
            base_url=self.endpoint,
            credential_scopes=[f"{self.endpoint}/.default"],
            connection_verify=self.ca_file,
            transport=RequestsTransport(connection_verify=self.ca_file),
            **options,
        )
        with client:
            yield client
        if credential is None:
            chosen.close()


@functools.cache
def _certificate() -> bytes:
    """Made once: RSA keys are what takes longest to make."""
    return new_certificate("tests")


@functools.cache
def _token_key() -> bytes:
    return private_pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))


def product_role() -> dict[str, Any]:
    """The role that ships with the product, for the tests' subscription."""
    role: dict[str, Any] = json.loads(ROLE_FILE.read_text(encoding="utf-8").replace("SUBSCRIPTION", SUBSCRIPTION))
    return role


def _role_assignments(role: str) -> list[dict[str, str]]:
    """The daemon's role where docs/administration.md has it assigned: the VMs' resource group, and the subnets."""
    here = f"/subscriptions/{SUBSCRIPTION}/resourceGroups"
    subnets = f"{here}/net/providers/Microsoft.Network/virtualNetworks/vnet/subnets"
    scopes = [f"{here}/slurm-burst", f"{subnets}/burst", f"{subnets}/small"]
    return [{"principal": "slurm-azured", "role": role, "scope": scope} for scope in scopes]


def _estate(folder: Path, role: dict[str, Any]) -> dict[str, Any]:
    write_private(folder / "daemon.secret", DAEMON_SECRET.encode())
    write_private(folder / "client.pem", _certificate())
    write_private(folder / "token-key.pem", _token_key())
    return {
        "tenant": TENANT,
        "location": "westeurope",
        "subscriptions": [
            {
                "id": SUBSCRIPTION,
                "name": "tests",
                "resource_groups": {"slurm-burst": "westeurope", "other": "northeurope", "net": "westeurope"},
                "virtual_networks": [
                    {
                        "name": "vnet",
                        "resource_group": "net",
                        "subnets": {"burst": "127.66.0.0/16", "small": "127.67.0.0/29"},
                    },
                ],
                "identities": [
                    {
                        "name": "slurm-nodes",
                        "resource_group": "slurm-burst",
                        "client_id": NODE_CLIENT,
                        "principal_id": "7e571e57-0000-4000-8000-00000000c002",
                    },
                ],
            },
        ],
        "service_principals": [
            {"name": "owner", "client_id": CLIENT, "secret": SECRET, "certificate_file": "client.pem"},
            {
                "name": "slurm-azured",
                "client_id": DAEMON,
                "secret_file": "daemon.secret",
                "certificate_file": "client.pem",
            },
            {"name": "reader", "client_id": READER, "secret": "only reads", "actions": ["*/read"]},
        ],
        "vaults": [{"name": "mycluster", "secrets": {"munge-key": "bXVuZ2U="}, "readers": ["slurm-nodes"]}],
        "role_definitions": [role],
        "role_assignments": _role_assignments(role["Name"]),
    }


@contextmanager
def simulated_azure(clock: Clock | None = None, **options: Any) -> Iterator[SimulatedAzure]:
    """A simulated Azure for the length of a `with` block. `options` are fields of SimulatorOptions; unless told otherwise
    everything takes no time at all (create, boot, delete: 0 s), operations carry no Retry-After, machines are of grade none.

    The daemon's principal has the `role` that the product ships, unless told otherwise; `credential()` may do everything.
    `offering` are further keys of the estate: sizes, restrictions, quotas, capacity, prices.
    At the end of the block every answer, and every request of the product or the SDK, has to be as Microsoft's OpenAPI files
    say; `judge_requests=False` where the SDK is made to send what is wrong.
    """
    role: dict[str, Any] = options.pop("role", None) or product_role()
    offering: dict[str, Any] = options.pop("offering", None) or {}
    clock = clock or RealClock()
    witness = Witness(options.pop("judge_requests", True))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulated-azure", daemon=True)
    thread.start()
    with tempfile.TemporaryDirectory(prefix="simulated-azure-") as name:
        folder = Path(name)
        (folder / "estate.json").write_text(json.dumps(_estate(folder, role) | offering))
        simulator = Simulator(_options(folder, options), clock, witness)
        try:
            endpoints = asyncio.run_coroutine_threadsafe(simulator.start(), loop).result(30)
            witness.knows(simulator.routes)
            yield SimulatedAzure(folder, endpoints, loop, clock, simulator=simulator)
        finally:
            asyncio.run_coroutine_threadsafe(simulator.stop(), loop).result(60)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()
    witness.tell()


def _options(folder: Path, changes: dict[str, Any]) -> SimulatorOptions:
    anywhere = Address("127.0.0.1", 0)
    quick = SimulatorOptions(
        folder=folder,
        listen=anywhere,
        imds=(anywhere,),
        control=anywhere,
        estate=folder / "estate.json",
        create_seconds=constant(0.0),
        boot_seconds=constant(0.0),
        delete_seconds=constant(0.0),
        force_delete_seconds=constant(0.0),
        stop_seconds=constant(0.0),
        eviction_seconds=constant(0.0),
        retry_after=0,
        seed=1,
        throttling=False,
    )
    return dataclasses.replace(quick, **changes)


def vm_body(azure: SimulatedAzure, computer_name: str = "az-1", **changes: Any) -> dict[str, Any]:
    """The body of a good create call; `changes` are merged over `properties`, `top` over the body itself."""
    top = changes.pop("top", {})
    interface = {
        "primary": True,
        "deleteOption": "Delete",
        "ipConfigurations": [{"name": "ipc0", "properties": {"primary": True, "subnet": {"id": azure.subnet_id}}}],
    }
    key = {"path": "/home/azureuser/.ssh/authorized_keys", "keyData": "ssh-ed25519 AAAAC3Nz test"}
    properties = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "storageProfile": {
            "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "latest"},
            "osDisk": {
                "createOption": "FromImage",
                "deleteOption": "Delete",
                "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
            },
        },
        "osProfile": {
            "computerName": computer_name,
            "adminUsername": "azureuser",
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": [key]}},
        },
        "networkProfile": {
            "networkApiVersion": "2020-11-01",
            "networkInterfaceConfigurations": [{"name": "nic0", "properties": interface}],
        },
    }
    return {"location": azure.location, "properties": properties | changes, **top}
