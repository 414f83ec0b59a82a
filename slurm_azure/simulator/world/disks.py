"""Managed disks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(slots=True, eq=False)
class Disk:
    """A managed disk. `vm` is the id of the VM it is attached to, None if to none; `image` the image it was made from, `source`
    the id of the disk, snapshot or restore point it is a copy of; `encryption_set` the id of its disk encryption set."""

    id: str
    name: str
    location: str
    guid: str
    created: float
    size_gb: int
    sku: str
    os_type: str | None
    image: dict[str, Any] | None
    zones: list[str] | None
    tags: dict[str, str]
    delete_with_vm: bool = False
    vm: str | None = None
    sequence: int = 0
    source: str | None = None
    encryption_set: str | None = None
