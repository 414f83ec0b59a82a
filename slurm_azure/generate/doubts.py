"""What would go wrong in Slurm with a configuration that is sound by itself: found before the first VM costs money."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from slurm_azure.azure.catalog import Catalog, Size
from slurm_azure.config import Budget, Config, Partition, Pool
from slurm_azure.generate.gres import gpus
from slurm_azure.generate.hardware import NodeHardware, conservative_memory, hardware_of, known_sizes
from slurm_azure.model import Offer, Priority
from slurm_azure.slurm.versions import Traits

_OURS = {"partitionname", "nodes", "default", "maxtime", "suspendtime", "resumetimeout", "suspendtimeout"}
_MOST_CORES_A_SOCKET = 64


@dataclass(frozen=True, slots=True)
class Doubt:
    """`about` is a key of slurm-azure.yaml. Grave: nodes would be unusable or slurmctld would refuse the file."""

    about: str
    text: str
    grave: bool = False

    def __str__(self) -> str:
        return f"{self.about}: {self.text}"


def find_doubts(config: Config, catalog: Catalog, traits: Traits) -> tuple[Doubt, ...]:
    """Everything doubtful about `config` under the Slurm release of `traits`, in the order of the file."""
    doubts: list[Doubt] = []
    for name, pool in config.pools.items():
        doubts += _check_hardware(f"pools.{name}", pool, catalog)
        doubts += _check_gpus(f"pools.{name}.gres", pool, known_sizes(pool, catalog))
        doubts += _check_prices(f"pools.{name}", config, name, catalog)
        doubts += _check_room(config, name, catalog)
        doubts += _check_deadlines(f"pools.{name}.deadlines", pool, config.resume_timeout(name))
        doubts += _check_twice(f"pools.{name}", pool)
    for name, partition in config.partitions.items():
        doubts += _check_options(f"partitions.{name}.options", partition)
        doubts += _check_times(f"partitions.{name}", partition)
    doubts += _check_shared_pools(config)
    doubts += _check_release(config, traits)
    return tuple(doubts)


def seconds(duration: float) -> int:
    """A duration as Slurm takes it: whole seconds, rounded up."""
    return math.ceil(duration)


def _check_hardware(about: str, pool: Pool, catalog: Catalog) -> Iterator[Doubt]:
    hardware = hardware_of(pool, catalog)
    if hardware is None:
        unknown = ", ".join(name for name in pool.sizes if catalog.size(name) is None)
        remedy = "give hardware.cores_per_socket and hardware.memory_mib (slurmd -C on such a VM prints them)"
        yield Doubt(f"{about}.sizes", f"{unknown}: not in the list of VM sizes; {remedy}", grave=True)
        return
    yield from _check_sizes(about, pool, catalog, hardware)
    if pool.hardware.sockets is None and hardware.cores_per_socket > _MOST_CORES_A_SOCKET:
        text = f"{hardware.cores_per_socket} cores in one socket is unlikely; give sockets (slurmd -C on such a VM prints them)"
        yield Doubt(f"{about}.hardware", text)


def _check_sizes(about: str, pool: Pool, catalog: Catalog, told: NodeHardware) -> Iterator[Doubt]:
    """Each size against the node line, and against the first size's: what is listed first is what nodes are expected to be, and
    a smaller one behind it would quietly make all of them small."""
    first = hardware_of(pool.model_copy(update={"sizes": pool.sizes[:1]}), catalog)
    for name in pool.sizes:
        size = catalog.size(name)
        if size is None:
            has = f"{told.cpus} CPUs and {told.memory_mib} MiB"
            yield Doubt(f"{about}.sizes", f"{name}: not in the list of VM sizes, so nobody checks that it has {has}")
            continue
        found = list(_compare(f"{about}.hardware", told, size))
        yield from found
        if first is not None and not any(doubt.grave for doubt in found):
            yield from _compare_with_first(f"{about}.sizes", pool.sizes[0], first, size)


def _compare_with_first(about: str, first: str, expected: NodeHardware, size: Size) -> Iterator[Doubt]:
    """A later size that lacks what the node line of the `first` one says."""
    remedy = "give it a pool of its own, or say by hardware: what Slurm is to make of all of them"
    cores = expected.sockets * expected.cores_per_socket
    if cores > size.cores or expected.cpus > size.vcpus:
        has = f"{size.name} has {size.vcpus} vCPUs ({size.cores} cores), and {first} before it {expected.cpus} ({cores} cores)"
        yield Doubt(about, f"{has}; {remedy}", grave=True)
    if expected.memory_mib >= size.memory_gib * 1024:
        has = f"{size.name} has {size.memory_gib:g} GiB, and {first} before it {expected.memory_mib} MiB for Slurm"
        yield Doubt(about, f"{has}; {remedy}", grave=True)


def _compare(about: str, told: NodeHardware, size: Size) -> Iterator[Doubt]:
    cores = told.sockets * told.cores_per_socket
    effect = "its nodes would register as invalid and be drained"
    if cores > size.cores or told.cpus > size.vcpus:
        has = f"{size.name} has {size.cores} cores and {size.vcpus} vCPUs"
        yield Doubt(about, f"{cores} cores, {told.cpus} CPUs; {has}: {effect}", grave=True)
    if told.memory_mib >= size.memory_gib * 1024:
        yield Doubt(about, f"{told.memory_mib} MiB; {size.name} has {size.memory_gib:g} GiB: {effect}", grave=True)
    elif told.memory_mib > conservative_memory(size) * 1.05:
        text = f"{told.memory_mib} MiB is close to what {size.name} has ({size.memory_gib:g} GiB); the system takes some of it"
        yield Doubt(about, f"{text}: compare with slurmd -C on such a VM")


def _check_gpus(about: str, pool: Pool, sizes: list[Size]) -> Iterator[Doubt]:
    told = gpus(pool)
    for size in sizes:
        if told > size.gpus:
            text = f"{told} GPUs, but {size.name} has {size.gpus}: its nodes would register as invalid and be drained"
            yield Doubt(about, text, grave=True)
        elif told < size.gpus:
            yield Doubt(
                about, f"{size.name} has {size.gpus} GPUs and Slurm is told of {told}: paid for, but not to be had by jobs"
            )


def _check_prices(about: str, config: Config, name: str, catalog: Catalog) -> Iterator[Doubt]:
    """Budgets in USD and `order: cheapest` need prices."""
    pool = config.pools[name]
    prices = {offer: _price(offer, pool, catalog, config.azure.location) for offer in pool.offers()}
    unknown = ", ".join(dict.fromkeys(offer.size for offer, price in prices.items() if price is None))
    budgets = _budgets(config, name)
    if unknown and any(one.cost_per_hour is not None or one.cost_per_month is not None for _, one in budgets):
        text = f"no known price in {config.azure.location} for {unknown}: a budget in USD holds, so these are never launched"
        yield Doubt(f"{about}.sizes", f"{text}; give price_per_hour")
    elif unknown and pool.order == "cheapest":
        yield Doubt(
            f"{about}.order", f"no known price in {config.azure.location} for {unknown}: tried last; give price_per_hour"
        )
    cheapest = min((price for price in prices.values() if price is not None), default=None)
    for key, budget in budgets:
        if budget.cost_per_hour is not None and cheapest is not None and cheapest > budget.cost_per_hour:
            text = (
                f"{budget.cost_per_hour:g} USD is less than one VM of pool {name} costs ({cheapest:g}): none is ever launched"
            )
            yield Doubt(f"{key}.cost_per_hour", text)


def _check_room(config: Config, name: str, catalog: Catalog) -> Iterator[Doubt]:
    """Limits in nodes and cores that not even one VM fits."""
    least = min((size.cores for size in known_sizes(config.pools[name], catalog)), default=0)
    for key, budget in _budgets(config, name):
        if budget.nodes == 0:
            yield Doubt(f"{key}.nodes", f"0: no VM of pool {name} is ever launched")
        if budget.cores is not None and least > budget.cores:
            yield Doubt(
                f"{key}.cores", f"{budget.cores} is less than one VM of pool {name} has ({least}): none is ever launched"
            )


def _check_deadlines(about: str, pool: Pool, timeout: float) -> Iterator[Doubt]:
    """What slurmctld gives up by itself has no readable reason."""
    create, boot = pool.deadlines.create or timeout / 3, pool.deadlines.boot or timeout / 2
    if create + boot >= timeout:
        text = f"create ({seconds(create)} s) and boot ({seconds(boot)} s) together are not below resume_timeout"
        yield Doubt(about, f"{text} ({seconds(timeout)} s): slurmctld would give nodes up first, without a readable reason")


def _check_twice(about: str, pool: Pool) -> Iterator[Doubt]:
    for key, values in (("sizes", pool.sizes), ("zones", pool.zones)):
        for value in sorted({value for value in values if values.count(value) > 1}):
            yield Doubt(f"{about}.{key}", f"{value} is listed twice: the second has no effect")


def _price(offer: Offer, pool: Pool, catalog: Catalog, location: str) -> float | None:
    """The most an offer costs; None: not known."""
    limit = offer.max_price if offer.priority is Priority.SPOT and offer.max_price > 0 else None
    return limit or pool.price_per_hour or catalog.price(offer.size, location)


def _budgets(config: Config, name: str) -> list[tuple[str, Budget]]:
    """The budgets that hold for a pool, each with its key."""
    parts = [(f"partitions.{key}.budget", part.budget) for key, part in config.partitions.items() if name in part.pools]
    return [(f"pools.{name}.budget", config.pools[name].budget), *parts, ("budget", config.budget)]


def _check_options(about: str, partition: Partition) -> Iterator[Doubt]:
    for key, value in partition.options.items():
        if key.lower() in _OURS:
            yield Doubt(f"{about}.{key}", "is written from the partition's own keys; leave it out here", grave=True)
        elif "#" in value or value.endswith("\\"):
            yield Doubt(
                f"{about}.{key}", f"{value!r}: slurm.conf takes '#' for a comment and '\\' at its end for 'goes on'", grave=True
            )


def _check_times(about: str, partition: Partition) -> Iterator[Doubt]:
    if partition.resume_timeout < 120:
        yield Doubt(
            f"{about}.resume_timeout",
            "an Azure VM needs one to three minutes until slurmd runs; below 2m most nodes would fail",
        )
    if partition.suspend_timeout < 20:
        text = "below 20s slurmd may still run on a VM that is being deleted, and registers the node as up again"
        yield Doubt(f"{about}.suspend_timeout", text)
    if partition.suspend_timeout > 600:
        yield Doubt(f"{about}.suspend_timeout", "a node rests this long after each use; its VM is deleted long before")
    if partition.suspend_time < 60:
        yield Doubt(
            f"{about}.suspend_time", "below 1m nodes may be deleted between two tasks of the same array, and booted anew"
        )


def _check_shared_pools(config: Config) -> Iterator[Doubt]:
    for pool in config.pools:
        times = {name: seconds(part.suspend_time) for name, part in config.partitions.items() if pool in part.pools}
        if len(set(times.values())) > 1:
            longest = max(times, key=lambda name: times[name])
            text = (
                f"its partitions have different suspend_time: Slurm takes the longest, that of {longest} ({times[longest]} s)"
            )
            yield Doubt(f"pools.{pool}", text)


def _check_release(config: Config, traits: Traits) -> Iterator[Doubt]:
    year, month = traits.release
    if not traits.partition_timers:
        text = f"Slurm {year}.{month:02d} has no timers of partitions: the longest of all becomes the cluster's"
        yield Doubt("partitions", f"{text}; on-premises nodes need SuspendExcNodes")
    total = sum(len(pool.sizes) > 1 for pool in config.pools.values())
    if total and not traits.node_reg_mem_percent:
        yield Doubt(
            "pools", f"Slurm {year}.{month:02d} drains a node with less memory than configured: give hardware.memory_mib"
        )
