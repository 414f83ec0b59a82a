"""What has changed and is not in the journal yet: one commit for all of it, kept until that has worked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from slurm_azure.journal import Event, Journal
from slurm_azure.lifecycle.spending import spending_of
from slurm_azure.model import Breaker, CoolDown, JobTrouble, Launch, LaunchId, PoolName, Wish


@dataclass
class Unwritten:
    """Changes on their way into the journal. `cool_downs` with None: that key is warm again."""

    launches: dict[LaunchId, Launch] = field(default_factory=dict)
    drops: list[Wish] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    cool_downs: dict[str, CoolDown | None] = field(default_factory=dict)
    breakers: dict[PoolName, Breaker] = field(default_factory=dict)
    troubles: dict[int, JobTrouble] = field(default_factory=dict)
    over: dict[LaunchId, Launch] = field(default_factory=dict)
    consoles: list[tuple[LaunchId, float, str]] = field(default_factory=list)

    def save(self, launches: Iterable[Launch]) -> None:
        """Launches as they are now; only the newest state of each is written."""
        self.launches.update({launch.id: launch for launch in launches})

    def end(self, launch: Launch) -> None:
        """A launch is over: what it has cost is booked with the same commit that says so."""
        self.over[launch.id] = launch

    def __bool__(self) -> bool:
        return any(self._all())

    def commit(self, journal: Journal) -> None:
        """Write all of it in one transaction. Raises JournalError; then all of it is kept for the next try."""
        if not self:
            return
        with journal.writing():
            journal.save(self.launches.values())
            journal.drop(self.drops)
            journal.note(self.events)
            journal.save_cool_downs(cold for cold in self.cool_downs.values() if cold is not None)
            journal.drop_cool_downs(key for key, cold in self.cool_downs.items() if cold is None)
            journal.save_breakers(self.breakers.values())
            journal.save_troubles(self.troubles.values())
            self._book(journal)
            for id, at, text in self.consoles:
                journal.keep_console(id, at, text)
        for written in self._all():
            written.clear()

    def _all(self) -> tuple[dict[Any, Any] | list[Any], ...]:
        return (
            self.launches, self.drops, self.events, self.cool_downs, self.breakers, self.troubles, self.over, self.consoles,
        )  # fmt: skip

    def _book(self, journal: Journal) -> None:
        for launch in self.over.values():
            for month, usd, seconds in spending_of(launch, launch.gone_at or 0.0):
                journal.spend(month, launch.pool, usd, seconds)
