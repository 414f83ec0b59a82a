"""The simulator's command line, and the options it makes."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_azure.errors import UsageError
from slurm_azure.simulator import timing
from slurm_azure.simulator.machines.grades import GRADES
from slurm_azure.simulator.timing import Distribution, constant


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 = any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{in_url(self.host)}:{self.port}"


def in_url(host: str) -> str:
    """A host as it stands in a URL: an IPv6 address is in brackets."""
    return f"[{host}]" if ":" in host else host


_SHORT = constant(2.0)
_LONG = Distribution("lognormal", 20.0, 40.0)


@dataclass(frozen=True, slots=True)
class SimulatorOptions:
    """All settings. Spans of time in seconds; `folder` is where certificates, keys and machines live."""

    folder: Path
    listen: Address = Address("127.0.0.1", 8443)
    names: tuple[str, ...] = ()
    imds: tuple[Address, ...] = ()
    control: Address | None = None
    estate: Path | None = None
    machines: str = "none"
    machines_for: tuple[tuple[str, str], ...] = ()
    image: Path | None = None
    bridge: str = "br0"
    exports: Path | None = None
    boot_parallel: int = 8
    create_seconds: Distribution = _SHORT
    boot_seconds: Distribution = _LONG
    delete_seconds: Distribution = _LONG
    force_delete_seconds: Distribution = _SHORT
    stop_seconds: Distribution = _SHORT
    eviction_seconds: Distribution = _SHORT
    events_delay: float = 0.0
    page_size: int = 200
    retry_after: int = 10
    seed: int | None = None
    throttling: bool = True
    clock_factor: float = 1.0
    list_lag: float = 0.0
    role_lag: float = 0.0
    faults: Path | None = None
    record: Path | None = None
    world: Path | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the simulator's arguments to a parser."""
    parser.epilog = (
        "When it is ready it prints a JSON object in one line on stdout (endpoint, ca_file, tenant, imds, control), and a hint "
        "for people on stderr. docs/simulator.md tells what is simulated, and how truly."
    )
    _add_places(parser)
    _add_machines(parser)
    span = "seconds such as 2, uniform(1,3) or lognormal(20,40) (median, 95th percentile)"
    add = parser.add_argument_group("timing", f"Each is {span}.").add_argument
    add("--create-seconds", metavar="SPAN", default="2", help="until a VM has a host and is powered on [2]")
    add(
        "--boot-seconds",
        metavar="SPAN",
        default="lognormal(20,40)",
        help="until one of grade none is ready [%(default)s]",
    )
    add("--delete-seconds", metavar="SPAN", default="lognormal(20,40)", help="until a deleted VM is gone [%(default)s]")
    add("--force-delete-seconds", metavar="SPAN", default="2", help="the same, if deleted by force [2]")
    add("--stop-seconds", metavar="SPAN", default="2", help="until a guest has shut down [2]")
    add("--eviction-seconds", metavar="SPAN", default="2", help="from simulateEviction to the notice; Azure: up to 30 min [2]")
    add("--events-delay", metavar="SECONDS", type=float, default=0.0, help="of the first reply of Scheduled Events [0]")
    add = parser.add_argument_group("behaviour").add_argument
    add("--page-size", metavar="N", type=int, default=200, help="items on one page of a list [200]")
    add("--retry-after", metavar="SECONDS", type=int, default=10, help="Retry-After of operations; 0 = none [10]")
    add("--seed", metavar="N", type=int, help="make ids, spans of time and faults repeatable [random]")
    add("--no-throttling", action="store_true", help="no limit to the rate of requests [limits as documented]")
    add(
        "--clock-factor",
        metavar="N",
        type=float,
        default=1.0,
        help="let simulated time pass N times as fast; not for real machines [1]",
    )
    add("--list-lag", metavar="SECONDS", type=float, default=0.0, help="let lists of VMs, interfaces and disks be behind [0]")
    add("--role-lag", metavar="SECONDS", type=float, default=0.0, help="until a new role assignment takes effect [0]")
    add("--faults", metavar="FILE", type=Path, help="YAML or JSON: what is to go wrong, and when [nothing]")
    add("--record", metavar="FILE", type=Path, help="write each request with its answer to FILE, a JSON object a line [off]")


def _add_places(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("places").add_argument
    add(
        "--folder",
        metavar="DIR",
        type=Path,
        default=Path("simulated-azure"),
        help="certificates, keys, machines [%(default)s]",
    )
    add("--listen", metavar="ADDR:PORT", default="127.0.0.1:8443", help="TLS: ARM, login, key vaults [%(default)s]")
    add("--names", metavar="NAME", nargs="+", default=[], help="more names or addresses for the certificate [none]")
    add(
        "--imds",
        metavar="ADDR:PORT",
        action="append",
        default=[],
        help="plain HTTP: IMDS and wire server (repeatable) [off]",
    )
    add("--control", metavar="ADDR:PORT", help="plain HTTP for tests: requests, VMs, faults [off]")
    add("--estate", metavar="FILE", type=Path, help="JSON: what there is before anyone calls [built in]")
    add("--world", metavar="FILE", type=Path, help="keep the world there, and go on with it at the next start [memory alone]")
    add("--print-estate", action="store_true", help="print the built-in estate and end")


def _add_machines(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("machines").add_argument
    add("--machines", choices=GRADES, default="none", help="what stands behind a VM [none]")
    add(
        "--machines-for",
        metavar="PATTERN=GRADE",
        action="append",
        default=[],
        help="grade by computer name (repeatable) [none]",
    )
    add("--image", metavar="DIR", type=Path, help="root file system of namespace machines [none]")
    add("--bridge", metavar="NAME", default="br0", help="bridge that namespace machines are attached to [br0]")
    add("--exports", metavar="DIR", type=Path, help="folders behind the NFS exports of the site [none]")
    add("--boot-parallel", metavar="N", type=int, default=8, help="machines that boot at the same time [8]")


def from_arguments(arguments: argparse.Namespace) -> SimulatorOptions:
    """The options that a command line makes; raises UsageError. With --print-estate it prints that and ends the program."""
    if arguments.print_estate:
        from slurm_azure.simulator.estate import DEFAULT

        sys.stdout.write(json.dumps(DEFAULT, indent=2) + "\n")
        sys.exit(0)
    _check_numbers(arguments)
    return SimulatorOptions(
        folder=arguments.folder,
        listen=_address(arguments.listen),
        names=tuple(arguments.names),
        imds=tuple(map(_address, arguments.imds)),
        control=_address(arguments.control) if arguments.control else None,
        estate=arguments.estate,
        machines=arguments.machines,
        machines_for=_rules(arguments.machines_for),
        image=arguments.image,
        bridge=arguments.bridge,
        exports=arguments.exports,
        boot_parallel=arguments.boot_parallel,
        create_seconds=timing.parse(arguments.create_seconds),
        boot_seconds=timing.parse(arguments.boot_seconds),
        delete_seconds=timing.parse(arguments.delete_seconds),
        force_delete_seconds=timing.parse(arguments.force_delete_seconds),
        stop_seconds=timing.parse(arguments.stop_seconds),
        eviction_seconds=timing.parse(arguments.eviction_seconds),
        events_delay=arguments.events_delay,
        page_size=arguments.page_size,
        retry_after=arguments.retry_after,
        seed=arguments.seed,
        throttling=not arguments.no_throttling,
        clock_factor=arguments.clock_factor,
        list_lag=arguments.list_lag,
        role_lag=arguments.role_lag,
        faults=arguments.faults,
        record=arguments.record,
        world=arguments.world,
    )


def _check_numbers(arguments: argparse.Namespace) -> None:
    if arguments.page_size < 1 or arguments.boot_parallel < 1 or arguments.retry_after < 0:
        raise UsageError("--page-size and --boot-parallel have to be at least 1, --retry-after at least 0")
    for option in ("events-delay", "list-lag", "role-lag"):
        value = getattr(arguments, option.replace("-", "_"))
        if value < 0 or not math.isfinite(value):
            raise UsageError(f"--{option} has to be a number of seconds, at least 0, not {value}")
    if arguments.world is not None and (
        arguments.machines != "none" or any("=none" not in one for one in arguments.machines_for)
    ):
        raise UsageError("--world needs machines of grade none: real ones end with the simulator")
    if arguments.clock_factor <= 0 or not math.isfinite(arguments.clock_factor):
        raise UsageError(f"--clock-factor has to be a number above 0, not {arguments.clock_factor}")
    for name in arguments.names:
        if not (name.isascii() and 0 < len(name) < 254 and name.isprintable() and " " not in name):
            raise UsageError(f"--names: {name!r} is neither a DNS name (in ASCII: xn--..) nor an address")


def _address(text: str) -> Address:
    host, separator, port = text.rpartition(":")
    if not separator or not host or not port.isdigit() or int(port) > 65535:
        raise UsageError(f"{text!r} is not ADDR:PORT, such as 127.0.0.1:8443")
    return Address(host.strip("[]"), int(port))


def _rules(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    rules = []
    for text in texts:
        pattern, _, grade = text.rpartition("=")
        if not pattern or grade not in GRADES:
            raise UsageError(f"{text!r} is not PATTERN=GRADE with a grade of {', '.join(GRADES)}")
        rules.append((pattern, grade))
    return tuple(rules)
