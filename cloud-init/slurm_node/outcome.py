"""How far it has come, how long it may go on, and why it ended."""

import time
from typing import Any, Callable, Dict, List, Optional


class StepFailed(Exception):
    """A step cannot be done; the text is its cause, for a person, on one line."""


class Patience:
    """Time that may be spent, in seconds; a part of it never outlasts the whole."""

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._end = clock() + seconds

    def left(self) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self._end - self._clock())

    def part(self, seconds: float) -> "Patience":
        """At most `seconds` of it."""
        return Patience(min(seconds, self.left()), self._clock, self._sleep)

    def pause(self, seconds: float) -> bool:
        """Wait, if there is time for that; False = there is not, give up."""
        if seconds >= self.left():
            return False
        self._sleep(seconds)
        return True


class Outcome:
    """What has been done so far: seconds by step, warnings, and the cause if it has failed."""

    def __init__(self) -> None:
        self.stages: Dict[str, float] = {}
        self.warnings: List[str] = []
        self.failure: Optional[str] = None

    def document(self, node: str) -> Dict[str, Any]:
        """What boot.json holds: `stages` and `uptime` in seconds, `ended_at` in seconds since the epoch."""
        return {
            "node": node,
            "ok": self.failure is None,
            "failure": self.failure,
            "warnings": self.warnings,
            "stages": {step: round(seconds, 3) for step, seconds in self.stages.items()},
            "ended_at": round(time.time(), 3),
            "uptime": round(uptime(), 3),
        }


def uptime() -> float:
    """Seconds since boot (man 5 proc, /proc/uptime)."""
    with open("/proc/uptime", encoding="ascii") as stream:
        return float(stream.read().split()[0])


def one_line(text: str, limit: int = 300) -> str:
    """`text` on one line of printable characters, at most `limit` of them."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
