"""Putting the daemon together from a configuration: the real Azure, the real Slurm, the journal on disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from slurm_azure import __version__
from slurm_azure.azure.catalog import Catalog
from slurm_azure.azure.cloud import Cloud
from slurm_azure.azure.limits import Limits
from slurm_azure.boot.user_data import UserData
from slurm_azure.config import Config
from slurm_azure.daemon.act import Actor
from slurm_azure.daemon.bell import Bell
from slurm_azure.daemon.calls import Calls
from slurm_azure.daemon.loop import Loop
from slurm_azure.daemon.orders import Orders
from slurm_azure.daemon.settings import Settings, make_settings
from slurm_azure.daemon.spool import Spool
from slurm_azure.daemon.steady import Steady
from slurm_azure.daemon.tally import Tally
from slurm_azure.hostlist import expand
from slurm_azure.journal import Journal
from slurm_azure.model import Offer, PoolName, Priority
from slurm_azure.slurm.scheduler import Scheduler
from slurm_azure.web.metrics import Metrics
from slurm_azure.web.server import MetricsServer

log = logging.getLogger(__name__)


@dataclass
class Parts:
    """What a running daemon consists of."""

    loop: Loop
    actor: Actor
    calls: Calls
    bell: Bell
    journal: Journal
    metrics: Metrics
    server: MetricsServer | None
    limits: Limits

    def close(self) -> None:
        """Close what is open; what the journal has stays."""
        self.calls.close()
        if self.server is not None:
            self.server.close()
        self.journal.close()
        self.bell.close()


def assemble(
    config: Config,
    state: Path,
    run: Path,
    new_id: Callable[[], str],
    cloud: Cloud | None = None,
    scheduler: Scheduler | None = None,
    clock: Callable[[], float] | None = None,
) -> Parts:
    """A daemon for `config`, ready to turn. `state` and `run` are its folders; Cloud and Scheduler are the real ones
    unless given. Raises ConfigError, JournalError and what the parts raise."""
    clock = clock or Steady()
    journal = Journal.open(state / "journal.db")
    bell = Bell(run / "wake")
    calls = Calls(bell, clock, config.limits.calls_at_once)
    settings = settings_of(config)
    limits = Limits(config.limits.requests)
    metrics = Metrics(__version__, config.pools)
    tally = Tally(metrics)
    actor = Actor(cloud or make_cloud(config, limits), scheduler or make_scheduler(config), calls, settings.render)
    orders = Orders(state / "orders")
    loop = Loop(settings, journal, Spool(state / "spool"), orders, actor, calls, tally, clock, new_id=new_id)
    listen = config.metrics.listen
    server = None if listen == "off" else MetricsServer(listen, metrics, lambda: tally.health(clock()))
    return Parts(loop, actor, calls, bell, journal, metrics, server, limits)


def settings_of(config: Config) -> Settings:
    """The loop's settings; raises RenderError if the user data of a pool cannot be rendered."""
    user_data = UserData(config)
    for name, pool in config.pools.items():
        user_data.render(expand(pool.nodes)[0], name)  # a template that is broken shows now, not at a launch
    catalog = Catalog.load()
    return make_settings(
        config,
        lambda launch: user_data.render(launch.node, launch.pool, launch.id),
        price_of(config, catalog),
        cores_of(catalog),
    )


def cores_of(catalog: Catalog) -> Callable[[str], int]:
    """Physical cores of a size, as budgets count them; 0 = not known."""

    def cores(size: str) -> int:
        known = catalog.size(size)
        return 0 if known is None else known.cores

    return cores


def price_of(config: Config, catalog: Catalog) -> Callable[[PoolName, Offer], float | None]:
    """USD per hour of an offer: as configured, else from the built-in list. Spot: the price limit if one is set, else
    the on-demand price, which it never exceeds."""

    def price(pool: PoolName, offer: Offer) -> float | None:
        size = catalog.size(offer.size)
        listed = size.usd_per_hour.get(config.azure.location) if size is not None else None
        full = config.pools[pool].price_per_hour or listed
        if offer.priority is Priority.SPOT and offer.max_price > 0:
            return min(offer.max_price, full) if full is not None else offer.max_price
        return full

    return price


def make_cloud(config: Config, limits: Limits) -> Cloud:
    """The real Azure. Imports the SDK, which takes a while. `limits` outlives a reload: the budgets are still spent."""
    from slurm_azure.azure.compute import AzureCompute
    from slurm_azure.azure.credential import make_credential

    return AzureCompute(config, make_credential(config.azure), limits)


def make_scheduler(config: Config) -> Scheduler:
    """The real Slurm, by its own commands."""
    from slurm_azure.slurm.scontrol import SlurmCommands

    return SlurmCommands(Path(config.slurm.bin_dir), Path(config.slurm.conf_dir) / "slurm.conf")
