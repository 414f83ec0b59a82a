"""The fixed order of the steps: first over each node record, then over the whole site."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from slurm_azure.lifecycle.admit import admit, move
from slurm_azure.lifecycle.breaker import probe
from slurm_azure.lifecycle.budget import Census
from slurm_azure.lifecycle.closing import closures, idle_nodes, only_by_breaker, shelf_reason, shelve
from slurm_azure.lifecycle.effects import Ask, Effect, Learn, Lesson, Note, SaveBreaker, Say, Saying, Warm
from slurm_azure.lifecycle.jobs import doomed, let_go
from slurm_azure.lifecycle.join import join
from slurm_azure.lifecycle.launch import launch
from slurm_azure.lifecycle.learn import learn, troubled
from slurm_azure.lifecycle.offers import keys_over
from slurm_azure.lifecycle.record import Facts, NodeRecord, Site
from slurm_azure.lifecycle.release import release
from slurm_azure.lifecycle.retry import retry
from slurm_azure.lifecycle.sweep import sweep
from slurm_azure.lifecycle.watch import watch
from slurm_azure.model import NodeName, PoolName, Power, SlurmNode

STEPS = (release, retry, launch, join, watch, sweep)


@dataclass(frozen=True, slots=True)
class Cluster:
    """All nodes of our pools as Slurm shows them, those that are not at rest (a launch, a wish, a VM), and those that were told
    something since."""

    slurm: Mapping[NodeName, SlurmNode]
    pool_of: Mapping[NodeName, PoolName]
    busy: frozenset[NodeName] = frozenset()
    told: frozenset[NodeName] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """What should be done now, and the site as it is after it; `facts` say which pools are closed, and why."""

    effects: tuple[Effect, ...]
    site: Site
    facts: Facts


Stumbled = Callable[[NodeName, Exception], None]


def fall(_node: NodeName, error: Exception) -> None:
    """A fault of ours in the decisions about one node, where nobody else takes care of it."""
    raise error


def decide(
    records: Iterable[NodeRecord], site: Site, facts: Facts, census: Census, cluster: Cluster, stumbled: Stumbled = fall
) -> Decision:
    """Everything that should be done now. Asking again changes nothing: effects are safe to repeat. `stumbled` hears of nodes
    that could not be decided on; they are left as they are.

    What `facts` say of the site (closed pools, cool-downs, troubles, canaries) is filled in here, from `site`; and anew after
    the nodes' failures have been learnt from.
    """
    after, effects = _step_all(records, _as_of(site, facts, census), stumbled)
    lessons = [one for one in effects if isinstance(one, Learn)]
    effects += _free_canaries(lessons, _canaries(site), cluster)
    site, more = learn(lessons, site, facts.policy, facts.now)
    effects += more
    over = keys_over(site.cool_downs, facts.now)
    effects += [Warm(key) for key in over]
    site = replace(site, cool_downs={key: cold for key, cold in site.cool_downs.items() if key not in over})
    facts = _as_of(site, facts, census)
    effects += move(after, facts)
    doom = doomed(lessons, facts)
    admission = admit([one for one in effects if isinstance(one, Ask)], doom, facts, census)
    site = troubled(admission.refused, site, facts.now, effects)
    effects += let_go(after, {**doom, **admission.refused}, facts)
    effects += admission.effects
    if facts.slurm_at is not None:
        site = _send_canaries(site, facts, cluster, effects)
        canaries = _canaries(site)
        effects += _mark(canaries, facts, cluster)
        room = {name: admission.census.room(pool) for name, pool in facts.policy.pools.items()}
        # What a node showed before it was told something says nothing about what it does with that.
        seen = (
            {name: node for name, node in cluster.slurm.items() if name not in cluster.told} if cluster.told else cluster.slurm
        )
        effects += shelve(seen, cluster.pool_of, facts.closed, cluster.busy, canaries, room.__getitem__)
    return Decision(tuple(one for one in effects if not isinstance(one, Ask | Learn)), site, facts)


def decide_node(record: NodeRecord, facts: Facts) -> tuple[NodeRecord, list[Effect]]:
    """All steps over one node."""
    effects: list[Effect] = []
    for step in STEPS:
        record, more = step(record, facts)
        effects += more
    return record, effects


def _step_all(records: Iterable[NodeRecord], facts: Facts, stumbled: Stumbled) -> tuple[Sequence[NodeRecord], list[Effect]]:
    after: list[NodeRecord] = []
    effects: list[Effect] = []
    for record in records:
        try:
            stepped, more = decide_node(record, facts)
        except Exception as error:  # one node that we cannot decide on stops none of the others
            stumbled(record.node, error)
            continue
        after.append(stepped)
        effects += more
    return after, effects


def _free_canaries(lessons: Iterable[Learn], before: frozenset[NodeName], cluster: Cluster) -> list[Effect]:
    """Canaries that have joined, and whose reason Slurm 22.05 forgot while nobody looked: nothing else would tell them for
    ours."""
    joined = (one.launch.node for one in lessons if one.lesson is Lesson.JOINED and one.launch.node in before)
    nodes = (node for name in joined if (node := cluster.slurm.get(name)) is not None)
    return [Say(node.name, Saying.RESUME, "") for node in nodes if node.drained and not node.reason]


def _as_of(site: Site, facts: Facts, census: Census) -> Facts:
    closed = closures(facts.policy, site, census, facts.now)
    return replace(facts, closed=closed, cool_downs=site.cool_downs, troubles=site.troubles, canaries=_canaries(site))


def _canaries(site: Site) -> frozenset[NodeName]:
    return frozenset(breaker.canary for breaker in site.breakers.values() if breaker.canary is not None)


def _send_canaries(site: Site, facts: Facts, cluster: Cluster, effects: list[Effect]) -> Site:
    """Power up one idle node of each pool that has been closed by its breaker for long enough."""
    breakers = dict(site.breakers)
    for name, closed in facts.closed.items():
        if not only_by_breaker(closed) or (breakers[name].probe_at or facts.now) > facts.now:
            continue
        names = idle_nodes(cluster.slurm, cluster.pool_of, name, cluster.busy)
        sent = probe(breakers[name], facts.policy.pools[name], names, facts.now)
        if sent is not None:
            breakers[name], canary = sent
            text = f"powered up as the canary of pool {name}, which is closed"
            effects += [SaveBreaker(breakers[name]), Say(canary, Saying.WAKE, ""), Note(canary, text)]
    return replace(site, breakers=breakers)


def _mark(canaries: frozenset[NodeName], facts: Facts, cluster: Cluster) -> list[Effect]:
    """Slurm 22.05 forgets a drained node's reason when it powers it up: say it again, so that we know it for ours."""
    says: list[Effect] = []
    for name in canaries - cluster.told:
        node, closed = cluster.slurm.get(name), facts.closed.get(cluster.pool_of.get(name, PoolName("")))
        if node is not None and closed is not None and node.drained and not node.reason and node.power is not Power.OFF:
            says.append(Say(name, Saying.SHELVE, shelf_reason(closed)))
    return says
