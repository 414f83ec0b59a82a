"""Orders of an administrator, from the command line to the daemon: one durable file each, taken in exactly once.

An order file is `<time in ns>-<random>.order` in STATE/orders, JSON with the fields of `Order`. It is written as a hook's
request is (intake.py), so a file with the right name is always whole, and it counts although no daemon runs: from its start.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, StringConstraints, TypeAdapter, ValidationError

from slurm_azure.intake import new_name, write_durably
from slurm_azure.journal import Journal
from slurm_azure.model import Pause, PoolName

log = logging.getLogger(__name__)

FOLDER = "orders"
SUFFIX = ".order"
MOST_AT_ONCE = 200  # files in one transaction
_LARGEST = 65536  # bytes of a file

Line = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]


class OrderKind(StrEnum):
    """What is ordered."""

    PAUSE = "pause"  # nothing new is made in the site or one pool
    RESUME_SERVICE = "resume-service"  # ... it is again


@dataclass(frozen=True, slots=True)
class Order:
    """What `by` orders. `at` and `until` are seconds since the epoch; `until` None = until it is taken back; `pool` None = the
    whole site."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    kind: OrderKind
    at: float
    by: Line
    pool: PoolName | None = None
    until: float | None = None
    reason: Line = ""
    version: Literal[1] = 1

    def pause(self) -> Pause:
        """The pause that a PAUSE orders."""
        return Pause(self.pool, self.at, self.until, self.by, self.reason)


_FORM = TypeAdapter(Order)


def give(folder: Path, order: Order, now_ns: int) -> str:
    """Make an order durable; returns its id. Raises OSError; then it has not been given."""
    id = new_name(now_ns)
    write_durably(str(folder), id + SUFFIX, _FORM.dump_json(order), 0o640)
    return id


def given(folder: Path) -> list[Order]:
    """The orders that wait in `folder`, oldest first, for whoever only looks: what is no order is left out, and stays. Raises
    PermissionError."""
    try:
        files = sorted(file for file in folder.iterdir() if file.name.endswith(SUFFIX) and not file.name.startswith("."))
    except FileNotFoundError:
        return []
    orders = []
    for file in files:
        with contextlib.suppress(FileNotFoundError, ValidationError):  # taken in meanwhile, or set aside soon
            orders.append(_FORM.validate_json(file.read_bytes()[:_LARGEST]))
    return orders


def pauses_after(pauses: Mapping[PoolName | None, Pause], orders: Iterable[Order]) -> dict[PoolName | None, Pause]:
    """The pauses that hold once `orders` have been carried out, by pool (None = the site)."""
    after = dict(pauses)
    for order in orders:
        if order.kind is OrderKind.PAUSE:
            after[order.pool] = order.pause()
        else:
            after.pop(order.pool, None)
    return after


class Orders:
    """The folder that orders are given in. Single reader."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)

    def waiting(self) -> list[str]:
        """Names of the files that wait, oldest first."""
        return sorted(name for name in os.listdir(self.folder) if name.endswith(SUFFIX) and not name.startswith("."))

    def take_in(self, journal: Journal, now: float) -> list[Order]:
        """Carry out in the journal what waits, oldest first: one commit, then the files go. A crash between the two costs
        nothing, because the journal knows each file's name. Raises JournalError; then all files stay."""
        names = self.waiting()[:MOST_AT_ONCE]
        if not names:
            return []
        taken: list[Order] = []
        with journal.writing():
            for name in names:
                order = self._read(name)
                text = "" if order is None else _FORM.dump_json(order).decode()
                if order is not None and journal.take_order(name.removesuffix(SUFFIX), order.at, now, text):
                    _carry_out(order, journal)
                    taken.append(order)
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()
        return taken

    def _read(self, name: str) -> Order | None:
        """One file; what is no order is set aside under another name, for a person to look at."""
        path = self.folder / name
        try:
            with path.open("rb") as file:
                return _FORM.validate_json(file.read(_LARGEST))
        except (OSError, ValidationError) as error:
            log.error("order %s set aside as .unreadable: %s", name, " ".join(str(error).split())[:500])
            with contextlib.suppress(OSError):
                path.rename(path.with_suffix(".unreadable"))
            return None


def _carry_out(order: Order, journal: Journal) -> None:
    if order.kind is OrderKind.PAUSE:
        journal.save_pause(order.pause())
    else:
        journal.drop_pause(order.pool)
    where = "the site" if order.pool is None else f"pool {order.pool}"
    log.info("order of %s: %s for %s%s", order.by, order.kind.value, where, f" ({order.reason})" if order.reason else "")
