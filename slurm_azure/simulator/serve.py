"""Putting the simulated Azure together and keeping it running."""

from __future__ import annotations

import asyncio
import gc
import json
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from slurm_azure.errors import UsageError
from slurm_azure.simulator import estate as estates
from slurm_azure.simulator.arm import not_simulated
from slurm_azure.simulator.arm.asynchronous import OperationRequests
from slurm_azure.simulator.arm.availability_sets import AvailabilitySets
from slurm_azure.simulator.arm.boot_diagnostics import BootDiagnostics
from slurm_azure.simulator.arm.capacity_reservations import CapacityReservations
from slurm_azure.simulator.arm.disks import Disks
from slurm_azure.simulator.arm.groups import Groups
from slurm_azure.simulator.arm.network import Network
from slurm_azure.simulator.arm.network_records import NetworkRecords
from slurm_azure.simulator.arm.power import PowerRequests
from slurm_azure.simulator.arm.proximity_placement_groups import ProximityPlacementGroups
from slurm_azure.simulator.arm.roles import Roles
from slurm_azure.simulator.arm.scale_sets import ScaleSets
from slurm_azure.simulator.arm.service import ResourceManager
from slurm_azure.simulator.arm.skus import Skus
from slurm_azure.simulator.arm.subscriptions import Subscriptions
from slurm_azure.simulator.arm.virtual_machines import VirtualMachines
from slurm_azure.simulator.arm.virtual_networks import VirtualNetworks
from slurm_azure.simulator.authority import tls_context
from slurm_azure.simulator.authorization import Authorization
from slurm_azure.simulator.call import Call
from slurm_azure.simulator.clock import Clock, FastClock, RealClock
from slurm_azure.simulator.cloud_metadata import CloudMetadata
from slurm_azure.simulator.control import Control
from slurm_azure.simulator.credentials import one_at_a_time
from slurm_azure.simulator.descriptors import complain_briefly, raise_limit
from slurm_azure.simulator.doors import Door, Service
from slurm_azure.simulator.durability import Durability
from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.faults.interventions import Interventions
from slurm_azure.simulator.faults.plan import Plan
from slurm_azure.simulator.faults.reading import read_file as read_plan
from slurm_azure.simulator.faults.skew import SkewedClock
from slurm_azure.simulator.hint import hint
from slurm_azure.simulator.imds import InstanceMetadata
from slurm_azure.simulator.journal import Journal
from slurm_azure.simulator.login import Login
from slurm_azure.simulator.machines.grades import Grades
from slurm_azure.simulator.machines.machine import Hypervisor
from slurm_azure.simulator.machines.none import NoHypervisor
from slurm_azure.simulator.options import Address, SimulatorOptions, in_url
from slurm_azure.simulator.prices import Prices
from slurm_azure.simulator.recording import Recorder, Recording
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.throttling import Throttling
from slurm_azure.simulator.throttling.subject import subject
from slurm_azure.simulator.tokens import Tokens, signing_key
from slurm_azure.simulator.vault import RESOURCE as VAULT_RESOURCE
from slurm_azure.simulator.vault import Vaults
from slurm_azure.simulator.wire_server import WireServer
from slurm_azure.simulator.world.demolition import Demolition
from slurm_azure.simulator.world.endings import Endings
from slurm_azure.simulator.world.provisioning import Provisioning, Timings
from slurm_azure.simulator.world.world import World

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # who listens everywhere is found on loopback
_ARM_HOSTS = ("management.azure.com", "management.core.windows.net")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the running simulator is found."""

    management: str
    ca_file: Path
    tenant: str
    imds: tuple[str, ...]
    control: str | None

    def as_json(self) -> dict[str, Any]:
        """One object for one line: `endpoint` and `authority` are the same server."""
        return {
            "endpoint": self.management,
            "authority": self.management,
            "ca_file": str(self.ca_file.resolve()),
            "tenant": self.tenant,
            "imds": list(self.imds),
            "control": self.control,
        }


class Simulator:
    """A simulated Azure; `start` and `stop` are to be called in one event loop. `routes` are Resource Manager's operations."""

    def __init__(self, options: SimulatorOptions, clock: Clock | None = None, recorder: Recorder | None = None) -> None:
        """`recorder` takes the place of the file that `options.record` names."""
        self._options = options
        self._recorder = recorder
        self._clock = clock or (RealClock() if options.clock_factor == 1 else FastClock(options.clock_factor))
        # Tokens are good for real seconds, however fast the simulated world goes: their holders count real ones.
        self._token_clock: Clock = RealClock() if isinstance(self._clock, FastClock) else self._clock
        self._doors: list[tuple[web.BaseRunner, web.Server, Door]] = []
        self._own_hosts = {"localhost", "127.0.0.1", "::1", options.listen.host, *options.names}
        self._provisioning: Provisioning | None = None
        self._interventions: Interventions | None = None
        self.throttling: Throttling | None = None
        self.journal = Journal()
        self.routes: list[Route] = []

    async def start(self) -> Endpoints:
        """Listen; raises ConfigError for a bad estate, UsageError where an address cannot be had."""
        options = self._options
        options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with one_at_a_time(options.folder):
            context, ca_file = tls_context(options.folder, (options.listen.host, *options.names))
            estate = estates.load(options.estate, options.folder)
            key = signing_key(options.folder)
        world = World(estate, self._clock, random.Random(options.seed))
        grades = Grades(options.machines, options.machines_for, self._makers(world, ca_file))
        plan = read_plan(options.faults) if options.faults is not None else Plan()
        faults = Faults(world, options.seed)
        self._token_clock = SkewedClock(self._token_clock, faults.skew)
        world.history.lag = lambda: max(options.list_lag, faults.list_lag())
        timings = Timings(
            options.create_seconds,
            options.delete_seconds,
            options.force_delete_seconds,
            options.stop_seconds,
            options.eviction_seconds,
        )
        self._provisioning = Provisioning(world, grades, timings, faults)
        world.prices.tell(self._provisioning.price_changed)
        tokens = Tokens(key, estate.tenant, self._token_clock)
        cloud = self._cloud(world, tokens, faults)
        assert self.throttling is not None
        self._interventions = Interventions(world, self._provisioning, self.throttling)
        faults.attach(self._interventions)
        if self._recorder is None and options.record is not None:
            self._recorder = Recording(options.record)
        await grades.start()  # the addresses to listen on may be of the network that this makes
        durability = None if options.world is None else Durability(world, options.world)
        if durability is not None and durability.restore():
            self._provisioning.go_on()
        settled = None if durability is None else durability.settled
        outside = Door(cloud, "https", self._clock, self.journal, faults, self._recorder, settled)
        management = await self._listen(options.listen, outside, context)
        metadata = InstanceMetadata(world, tokens, self._is_resource, options.events_delay, faults)
        link_local: list[Service] = [metadata, WireServer(world, self._provisioning, faults)]
        inside = Door(link_local, "http", self._clock, self.journal, faults, self._recorder)
        imds = [await self._listen(at, inside) for at in options.imds]
        control = None
        if options.control is not None:
            service = Control(world, self._provisioning, grades, self.journal, faults, options.names)
            control = await self._listen(options.control, Door([service], "http", self._clock))
        faults.load(plan)
        return Endpoints(management, ca_file, estate.tenant, tuple(imds), control)

    def _cloud(self, world: World, tokens: Tokens, faults: Faults) -> list[Service]:
        assert self._provisioning is not None
        options = self._options
        size, wait = options.page_size, options.retry_after
        authorization = Authorization(world.estate, self._clock, options.role_lag)
        known = [principal.object_id for principal in world.principals.values()]
        self.throttling = throttling = Throttling(self._clock, options.throttling, partial(subject, world), known)
        diagnostics, endings = BootDiagnostics(world), Endings(world, faults)
        self.routes = routes = [
            *VirtualMachines(world, self._provisioning, size, wait).routes(),
            *PowerRequests(world, self._provisioning, wait).routes(),
            *diagnostics.routes(),
            *not_simulated.routes(),
            *Network(world, size, wait).routes(),
            *Disks(world, size, wait).routes(),
            *VirtualNetworks(world, size, wait).routes(),
            *NetworkRecords(world, size, wait).routes(),
            *Groups(world, authorization, Demolition(world, self._provisioning, authorization), size, wait).routes(),
            *Skus(world, size).routes(),
            *ScaleSets(world, size, self._provisioning, wait, endings).routes(),
            *ProximityPlacementGroups(world, size).routes(),
            *CapacityReservations(world, size, endings, wait).routes(),
            *AvailabilitySets(world, size).routes(),
            *Roles(world, authorization).routes(),
            *OperationRequests(world, wait).routes(),
        ]
        routes += Subscriptions(world, authorization, routes).routes()
        tenant = world.estate.tenant
        vaults = Vaults(world.estate.vaults, tokens, self._clock, lambda call: _authority(call, tenant), authorization, faults)
        login = Login(tokens, world.estate.service_principals, self._token_clock, self._is_resource, faults)
        manager = ResourceManager(world, tokens, routes, self._is_management, authorization, throttling, faults)
        return [Prices(world), CloudMetadata(tenant), diagnostics, vaults, login, manager]

    def _makers(self, world: World, ca_file: Path) -> dict[str, Callable[[], Hypervisor]]:
        options = self._options

        def none() -> Hypervisor:
            return NoHypervisor(self._clock, world.random, options.boot_seconds)

        def namespace() -> Hypervisor:
            if options.image is None:
                raise UsageError("machines of grade namespace need --image, the folder of a root file system")
            from slurm_azure.simulator.machines.namespace import NamespaceHypervisor

            return NamespaceHypervisor(
                image=options.image,
                bridge=options.bridge,
                folder=options.folder,
                exports=options.exports,
                boot_parallel=options.boot_parallel,
                ca=ca_file,
            )

        return {"none": none, "namespace": namespace}

    def _is_management(self, audience: str) -> bool:
        host = urlsplit(audience).hostname
        return host in _ARM_HOSTS or host in self._own_hosts

    def _is_resource(self, uri: str) -> bool:
        return self._is_management(uri) or uri.rstrip("/") == VAULT_RESOURCE

    async def _listen(self, at: Address, door: Door, tls: Any = None) -> str:
        server = door.server()
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        self._doors.append((runner, server, door))
        site = web.TCPSite(runner, at.host, at.port, ssl_context=tls, backlog=1024)
        try:
            await site.start()
        except OSError as error:
            remedy = "is the port another program's, or the address not one of this machine?"
            raise UsageError(f"cannot listen on {at}: {error.strerror}; {remedy}") from None
        port = runner.addresses[0][1]
        host = _EVERYWHERE.get(at.host, at.host)
        return f"{'https' if tls else 'http'}://{in_url(host)}:{port}"

    async def stop(self) -> None:
        """Close all doors, then take away all machines."""
        for runner, server, door in self._doors:
            for site in list(runner.sites):
                await site.stop()
            # An idle client does not answer the goodbye of TLS, for which asyncio would wait 30 s. Before clean-up: a
            # transport that has been closed twice cannot be aborted any more (Python 3.11.2).
            for transport in [connection.transport for connection in server.connections]:
                if transport is not None:
                    transport.abort()
            await door.close()
            await runner.cleanup()
        self._doors.clear()
        await asyncio.sleep(0)
        if self._interventions is not None:
            await self._interventions.close()
        if self._provisioning is not None:
            await self._provisioning.close()
        if self._recorder is not None:
            self._recorder.close()


def _authority(call: Call, tenant: str) -> str:
    base = "https://login.microsoftonline.com" if call.host.endswith(".azure.net") else call.base
    return f"{base}/{tenant}"


async def serve(options: SimulatorOptions, quiet: bool = False) -> None:
    """Run until SIGINT or SIGTERM; when ready, print one JSON line with the endpoints on stdout and, unless `quiet`, some
    lines for people on stderr."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    loop.set_exception_handler(complain_briefly())
    simulator = Simulator(options)
    try:
        found = await simulator.start()
        sys.stdout.write(json.dumps(found.as_json()) + "\n")
        sys.stdout.flush()
        if not quiet:
            built_in = options.estate is None
            sys.stderr.write(hint(found.management, found.ca_file, found.tenant, found.control, built_in))
        await stopped.wait()
    finally:
        await simulator.stop()


def run(options: SimulatorOptions, quiet: bool = False) -> None:
    """Run the simulator in an event loop of its own."""
    # Ten thousand VMs are a million objects: to look through them all takes the collector a second, in which nobody is
    # answered. Little garbage here is in cycles, so it may wait.
    gc.set_threshold(50_000, 20, 1000)
    raise_limit()
    asyncio.run(serve(options, quiet))
