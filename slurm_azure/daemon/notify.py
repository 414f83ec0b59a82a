"""Telling systemd how we are: a datagram to NOTIFY_SOCKET (man sd_notify). Without systemd nothing happens."""

from __future__ import annotations

import contextlib
import os
import socket
import time


def notify(*lines: str) -> None:
    """Send states such as `READY=1` or `STATUS=...`; silently nothing where no NOTIFY_SOCKET is set."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto("\n".join(lines).encode(), address)


def notify_reloading() -> None:
    """A reload begins; `READY=1` ends it (Type=notify-reload wants the monotonic time, man sd_notify)."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog_interval() -> float | None:
    """Seconds between two `WATCHDOG=1` that keep systemd content: half of what it allows; None = it does not watch."""
    try:
        allowed = int(os.environ.get("WATCHDOG_USEC", "0"))
    except ValueError:
        return None
    return allowed / 2e6 if allowed > 0 else None
