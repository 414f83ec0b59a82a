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


TROUBLE_COUNTS = 86400.0
"""Seconds after which a job's last trouble counts no more: its next one is a first one."""


def learn(lessons: Iterable[Learn], site: Site, policy: Policy, now: float) -> tuple[Site, list[Effect]]:
    """The site as it is after these lessons, and what has to be kept of it."""
    effects: list[Effect] = []
    lost: dict[int, None] = {}
    for one in lessons:
        if one.lesson in (Lesson.FAILED, Lesson.LOST):
            site = _failed(one.launch, site, policy, now, effects)
            if one.lesson is Lesson.LOST and one.launch.joined_at is None:
                lost.update(dict.fromkeys(one.launch.jobs))
        elif one.lesson is Lesson.PROVISIONED:
            site = _provisioned(one.launch, site, effects)
        else:
            site = _joined(one.launch, site, effects)
    return troubled(lost, site, now, effects), effects


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
    counted: dict[int, JobTrouble] = {}
    for job in jobs:
        known = counted.get(job) or site.troubles.get(job)
        if known is not None and now - known.at < ONE_INCIDENT:
            continue
        counted[job] = JobTrouble(job, 1 if known is None else known.failures + 1, now)
        effects.append(SaveTrouble(counted[job]))
    return replace(site, troubles={**_lasting(site, now), **counted}) if counted else site


def _lasting(site: Site, now: float) -> dict[int, JobTrouble]:
    """The troubles that may still hold a job back: there is one for each job that ever lost a node."""
    return {job: one for job, one in site.troubles.items() if now - one.at < TROUBLE_COUNTS}
