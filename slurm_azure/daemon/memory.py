"""What the daemon knows and how it changes: the world in memory, and all of it on its way into the journal."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace

from slurm_azure.daemon.orders import Order, OrderKind
from slurm_azure.daemon.tally import Tally
from slurm_azure.daemon.unwritten import Unwritten
from slurm_azure.daemon.world import World
from slurm_azure.journal import Event, Journal
from slurm_azure.lifecycle.breaker import is_open
from slurm_azure.lifecycle.effects import Cool, Effect, Note, Save, SaveBreaker, SaveTrouble, Warm
from slurm_azure.lifecycle.offers import keys_to_try_anew
from slurm_azure.lifecycle.record import Site
from slurm_azure.lifecycle.spending import month_of, spending_of
from slurm_azure.model import Breaker, CoolDown, Launch, NodeName, Pause, PoolName

log = logging.getLogger(__name__)


AGAIN = 300.0  # seconds until an event that is the same again is worth a line
MOST_NOTED = 20_000  # events remembered for that, before the old ones are forgotten


class Memory:
    """The world, and what of it is not in the journal yet. `changed`: something calls for a round."""

    def __init__(self, world: World, tally: Tally) -> None:
        self.world, self.tally = world, tally
        self.unwritten = Unwritten()
        self.changed = True
        self._noted: dict[tuple[NodeName, str], float] = {}

    def put(self, launch: Launch) -> None:
        """A launch as it is now."""
        before = self.world.find(launch.node, launch.id)
        if before == launch:
            return
        self.world.put(launch)
        self.unwritten.save([launch])
        if launch.gone_at is not None and (before is None or before.gone_at is None):
            self._end(launch)
        self.tally.launch(before, launch)

    def _end(self, launch: Launch) -> None:
        self.unwritten.end(launch)
        site, now = self.world.site, launch.gone_at or 0.0
        usd = sum(part for month, part, _ in spending_of(launch, now) if month == month_of(now))
        if usd:
            self.world.site = replace(site, spent={**site.spent, launch.pool: site.spent.get(launch.pool, 0.0) + usd})

    def note(self, node: NodeName, text: str, now: float) -> bool:
        """An event for the node's timeline; False: it is the same again within a while (a delete that does not go through)."""
        if now - self._noted.get((node, text), -AGAIN) < AGAIN:
            return False
        if len(self._noted) > MOST_NOTED:
            self._noted = {key: at for key, at in self._noted.items() if now - at < AGAIN}
        self._noted[node, text] = now
        launch = self.world.live.get(node)
        self.unwritten.events.append(Event(now, node, launch.id if launch else None, text))
        log.info("%s: %s", node, text)
        return True

    def take(self, effect: Effect, now: float) -> None:
        """Take in what an effect changes here; those for the outside are not meant."""
        match effect:
            case Save(launch):
                self.put(launch)
                self.changed = self.changed or not launch.live
            case Note(node, text):
                self.note(node, text, now)
            case Cool(cold):
                self.unwritten.cool_downs[cold.key] = cold
                log.warning("%s cools down for %.0f s: %s", cold.key, cold.until - now, cold.detail)
            case Warm(key):
                self.unwritten.cool_downs[key] = None
            case SaveBreaker(breaker):
                self.unwritten.breakers[breaker.pool] = breaker
                self.changed = True
            case SaveTrouble(trouble):
                self.unwritten.troubles[trouble.job] = trouble
            case _:
                pass

    def obey(self, order: Order, pauses: Mapping[PoolName | None, Pause]) -> None:
        """An administrator's order, which the journal has. Who takes the service up again has seen to what was wrong: what only
        an administrator can mend is asked for again, and breakers are closed."""
        self.world.site = replace(self.world.site, pauses=dict(pauses))
        if order.kind is not OrderKind.RESUME_SERVICE:
            return
        self.forget_cold(keys_to_try_anew(self.world.site.cool_downs))
        for pool, breaker in self.world.site.breakers.items():
            if order.pool in (None, pool) and is_open(breaker):
                self.take(SaveBreaker(Breaker(pool)), order.at)
                self.world.site = replace(self.world.site, breakers={**self.world.site.breakers, pool: Breaker(pool)})

    def forget_cold(self, keys: Collection[str]) -> None:
        """These are asked for again."""
        site = self.world.site
        self.world.site = replace(site, cool_downs={key: cold for key, cold in site.cool_downs.items() if key not in keys})
        self.unwritten.cool_downs.update(dict.fromkeys(keys))

    def commit(self, journal: Journal) -> None:
        """Make it durable. Raises JournalError; nothing is forgotten then."""
        self.unwritten.commit(journal)


def load_site(journal: Journal, now: float) -> Site:
    """What the journal has of the whole site."""
    return Site(
        cool_downs={cold.key: _begun(cold, now) for cold in journal.cool_downs()},
        breakers={breaker.pool: breaker for breaker in journal.breakers()},
        pauses={pause.pool: pause for pause in journal.pauses()},
        troubles={trouble.job: trouble for trouble in journal.troubles()},
        spent=journal.spent(month_of(now)),
    )


def _begun(cold: CoolDown, now: float) -> CoolDown:
    """A cool-down that begins ahead of now (the machine's clock was set back) begins now."""
    ahead = max(0.0, cold.since - now)
    return replace(cold, since=cold.since - ahead, until=cold.until - ahead)
