"""What the loop takes from the configuration, made anew at each reload."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from slurm_azure.config import Budget, Config
from slurm_azure.lifecycle.offers import cheapest
from slurm_azure.lifecycle.record import Caps, Policy, PoolPolicy
from slurm_azure.model import FailureReason, Launch, NodeName, Offer, PoolName

Render = Callable[[Launch], str]
Price = Callable[[PoolName, Offer], float | None]
Cores = Callable[[str], int]


@dataclass(frozen=True)
class Settings:
    """`render` gives a launch's user data, `price` an offer's USD per hour (None = not known)."""

    config: Config
    pool_of: Mapping[NodeName, PoolName]
    policy: Policy
    render: Render
    price: Price


def make_settings(config: Config, render: Render, price: Price, cores: Cores) -> Settings:
    """Settings for the loop; expands all node names, so made once per (re)load."""
    pools = {PoolName(name): pool_policy(config, PoolName(name), price, cores) for name in config.pools}
    limits = config.limits
    policy = Policy(
        pools,
        caps=_caps(config.budget),
        partition_caps={name: _caps(partition.budget) for name, partition in config.partitions.items()},
        cool_downs={FailureReason(reason): seconds for reason, seconds in limits.cool_downs.items()},
        delete_retry=limits.delete_retry,
        failed_node_hold=limits.failed_node_hold,
    )
    pool_of = {NodeName(node): pool for node, pool in config.pool_of().items()}
    return Settings(config, pool_of, policy, render, price)


def pool_policy(config: Config, name: PoolName, price: Price, cores: Cores) -> PoolPolicy:
    """A pool as decisions see it."""
    pool, timeout = config.pools[name], config.resume_timeout(name)
    offers = pool.offers()
    prices = {offer: usd for offer in offers if (usd := price(name, offer)) is not None}
    return PoolPolicy(
        name,
        cheapest(offers, prices) if pool.order == "cheapest" else offers,
        timeout,
        create_deadline=pool.deadlines.create or timeout / 3,
        boot_deadline=pool.deadlines.boot or timeout / 2,
        attempts=pool.attempts,
        all_or_nothing=pool.all_or_nothing,
        spread=pool.order == "spread",
        release_cancelled=pool.cancelled_jobs == "release",
        breaker_failures=pool.breaker.failures,
        breaker_pause=pool.breaker.pause,
        deallocate=pool.release == "deallocate",
        keep_most=pool.keep.most,
        keep_longest=pool.keep.longest,
        cores={size: cores(size) for size in pool.sizes},
        prices=prices,
        caps=_caps(pool.budget),
        partitions=tuple(partition for partition, part in config.partitions.items() if name in part.pools),
    )


def _caps(budget: Budget) -> Caps:
    return Caps(budget.nodes, budget.cores, budget.cost_per_hour, budget.cost_per_month, budget.booting)
