"""What has changed and is not in the journal yet: one commit for all of it, kept until that has worked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from slurm_azure.journal import Event, Journal
from slurm_azure.model import Launch, LaunchId, Wish


@dataclass
class Unwritten:
    """Changes on their way into the journal."""

    launches: dict[LaunchId, Launch] = field(default_factory=dict)
    drops: list[Wish] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def save(self, launches: Iterable[Launch]) -> None:
        """Launches as they are now; only the newest state of each is written."""
        self.launches.update({launch.id: launch for launch in launches})

    def __bool__(self) -> bool:
        return bool(self.launches or self.drops or self.events)

    def commit(self, journal: Journal) -> None:
        """Write all of it in one transaction. Raises JournalError; then all of it is kept for the next try."""
        if not self:
            return
        with journal.writing():
            journal.save(self.launches.values())
            journal.drop(self.drops)
            journal.note(self.events)
        self.launches.clear()
        self.drops.clear()
        self.events.clear()
