"""What launches have shown of their offers and pools: cool-downs begin and end, breakers count, jobs' troubles add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from slurm_azure.lifecycle.breaker import count_failure, count_join
from slurm_azure.lifecycle.effects import Cool, Effect, Learn, Lesson, SaveBreaker, SaveTrouble, Warm
from slurm_azure.lifecycle.offers import cool, keys_to_warm
from slurm_azure.lifecycle.record import Policy, Site
from slurm_azure.model import Blame, Breaker, JobTrouble, Launch

ONE_INCIDENT = 60.0
"""Seconds within which a job's further lost nodes count as one trouble: they come from the same wake-up."""


def learn(lessons: Iterable[Learn], site: Site, policy: Policy, now: float) -> tuple[Site, list[Effect]]:
    """The site as it is after these lessons, and what has to be kept of it."""
    effects: list[Effect] = []
    for one in lessons:
        if one.lesson in (Lesson.FAILED, Lesson.LOST):
            site = _failed(one.launch, site, policy, now, effects)
            if one.lesson is Lesson.LOST and one.launch.joined_at is None:
                site = troubled(one.launch.jobs, site, now, effects)
        elif one.lesson is Lesson.PROVISIONED:
            site = _provisioned(one.launch, site, effects)
        else:
            site = _joined(one.launch, site, effects)
    return site, effects


def _failed(launch: Launch, site: Site, policy: Policy, now: float, effects: list[Effect]) -> Site:
    failure, pool = launch.failure, policy.pools.get(launch.pool)
    if failure is None or pool is None:
        return site
    if failure.blame is not Blame.SITE:
        cooled = cool(site.cool_downs, launch.offer, launch.pool, failure, policy, now, launch.planned_at)
        if cooled is not None:
            effects.append(Cool(cooled))
            site = replace(site, cool_downs={**site.cool_downs, cooled.key: cooled})
    breaker = site.breakers.get(launch.pool, Breaker(launch.pool))
    counted = count_failure(breaker, pool, failure, launch.node, now, made=launch.accepted_at is not None)
    return _keep(site, breaker, counted, effects)


def _provisioned(launch: Launch, site: Site, effects: list[Effect]) -> Site:
    keys = keys_to_warm(launch.offer, launch.pool, site.cool_downs, launch.planned_at)
    if not keys:
        return site
    effects += [Warm(key) for key in keys]
    return replace(site, cool_downs={key: cold for key, cold in site.cool_downs.items() if key not in keys})


def _joined(launch: Launch, site: Site, effects: list[Effect]) -> Site:
    breaker = site.breakers.get(launch.pool)
    return site if breaker is None else _keep(site, breaker, count_join(breaker), effects)


def _keep(site: Site, before: Breaker, after: Breaker, effects: list[Effect]) -> Site:
    if after == before:
        return site
    effects.append(SaveBreaker(after))
    return replace(site, breakers={**site.breakers, after.pool: after})


def troubled(jobs: Iterable[int], site: Site, now: float, effects: list[Effect]) -> Site:
    """Count one trouble more for each of `jobs`."""
    troubles = dict(site.troubles)
    for job in jobs:
        known = troubles.get(job)
        if known is not None and now - known.at < ONE_INCIDENT:
            continue
        troubles[job] = JobTrouble(job, 1 if known is None else known.failures + 1, now)
        effects.append(SaveTrouble(troubles[job]))
    return replace(site, troubles=troubles)
