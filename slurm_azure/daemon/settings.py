"""What the loop takes from the configuration, made anew at each reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from slurm_azure.config import Config
from slurm_azure.lifecycle.record import Policy, PoolPolicy
from slurm_azure.model import Launch, NodeName, Offer, PoolName

Render = Callable[[Launch], str]
Price = Callable[[PoolName, Offer], float | None]


@dataclass(frozen=True)
class Settings:
    """`render` gives a launch's user data, `price` an offer's USD per hour (None = not known)."""

    config: Config
    pool_of: Mapping[NodeName, PoolName]
    policy: Policy
    render: Render
    price: Price


def make_settings(config: Config, render: Render, price: Price) -> Settings:
    """Settings for the loop; expands all node names, so made once per (re)load."""
    pools = {
        PoolName(name): PoolPolicy(PoolName(name), pool.offers(), config.resume_timeout(name))
        for name, pool in config.pools.items()
    }
    limits = config.limits
    policy = Policy(pools, delete_retry=limits.delete_retry, failed_node_hold=limits.failed_node_hold)
    pool_of = {NodeName(node): pool for node, pool in config.pool_of().items()}
    return Settings(config, pool_of, policy, render, price)
