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
        self._begin = clock()
        self._end = self._begin + seconds

    def spent(self) -> float:
        """Seconds since it began."""
        return self._clock() - self._begin

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
    """What has been done so far: seconds by step, warnings, and step and cause if it has failed. `launch` is whose boot this
    is: what the VM's tag says, where that could be read."""

    def __init__(self, launch: str = "") -> None:
        self.launch = launch
        self.stages: Dict[str, float] = {}
        self.warnings: List[str] = []
        self.step, self.cause = "", ""

    @property
    def failure(self) -> Optional[str]:
        """`STEP: CAUSE`, or None if nothing has failed."""
        return f"{self.step}: {self.cause}" if self.step else None

    def fail(self, step: str, cause: str) -> None:
        """It ended in this step."""
        self.step, self.cause = step, one_line(cause)

    def document(self, node: str) -> Dict[str, Any]:
        """What boot.json holds: `stages` and `uptime` in seconds, `ended_at` in seconds since the epoch."""
        return {
            "node": node,
            "launch": self.launch,
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
