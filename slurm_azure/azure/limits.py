"""Azure's request budgets as token buckets, so that nothing is sent into an empty one.

Two doors count each request, and both must have a token. The sizes are Microsoft's:

    front door (Azure Resource Manager)   bucket / refill per second   reads 250 / 25, writes 200 / 10, deletes 200 / 10
    Compute resource provider             bucket / refill per minute   Put, Update and Delete VM 1,500 / 500,
                                                                       Low Cost Get 24,000 / 8,000, High Cost Get 900 / 300
    Network resource provider             requests in five minutes     reads 10,000, writes and deletes 1,000

(Microsoft Learn, "Understand how Azure Resource Manager throttles requests" and "Compute throttling limits"). For up to
5,000 VMs the front door is what binds: 1,000 creates take (1,000 - 200) / 10 = 80 s.

A POST is a write at the front door, whatever it does: start, deallocate, and the question for the console log. Compute counts
start as Update VM, deallocate as Delete VM, and that question as Low Cost Get. What Compute allows for disks is not in
those pages: they are counted with the network interfaces they are asked for with.

Azure refills in steps at moments we do not know. A bucket here therefore holds one refill less than Azure's and is
refilled continuously: whatever the phase of the steps, it never promises a token that Azure has not got.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from time import monotonic

from slurm_azure.azure.cloud import Call
from slurm_azure.config import Requests

_LEAST_WAIT = 0.01  # seconds: never tell a caller to ask again at once
_LARGEST_VM_POLICY = 45  # "Compute throttling limits": no policy that counts the calls to one VM is larger
_POLICY = re.compile(r"(Microsoft\.\w+/\w+);(\d+)")
_POLICIES_KNOWN = 64  # policy names remembered at most
_FRONT_DOOR_WORD = {
    Call.CREATE: "writes", Call.UPDATE: "writes", Call.DEALLOCATE: "writes", Call.CONSOLE: "writes",
    Call.DELETE: "deletes", Call.REMOVE: "deletes",
    Call.LIST: "reads", Call.READ: "reads", Call.SWEEP: "reads",
}  # fmt: skip

Headers = Mapping[str, str]


class Bucket:
    """A token bucket: at most `burst` tokens, refilled by `per_second`. Not thread-safe by itself; `now` is in seconds."""

    __slots__ = ("_at", "_tokens", "burst", "per_second")

    def __init__(self, burst: float, per_second: float, now: float) -> None:
        self.burst = burst
        self.per_second = per_second
        self._tokens = burst
        self._at = now

    def wait(self, now: float) -> float:
        """Seconds until there is a token; 0.0 = there is one."""
        self._refill(now)
        return 0.0 if self._tokens >= 1 else max((1 - self._tokens) / self.per_second, _LEAST_WAIT)

    def take(self) -> None:
        """One token is gone; call `wait` first."""
        self._tokens -= 1

    def lower(self, tokens: float, now: float) -> None:
        """Azure says that only `tokens` are left: believe it if that is less than we thought."""
        self._refill(now)
        self._tokens = min(self._tokens, tokens)

    def tokens(self, now: float) -> float:
        """How many tokens there are."""
        self._refill(now)
        return self._tokens

    def _refill(self, now: float) -> None:
        passed = max(0.0, now - self._at)
        self._tokens = min(self.burst, self._tokens + passed * self.per_second)
        self._at = now


def safe_bucket(size: float, refill: float, period: float, now: float) -> Bucket:
    """The bucket that fits into one of `size` tokens to which Azure adds `refill` every `period` seconds."""
    return Bucket(max(1.0, size - refill), refill / period, now)


class Limits:
    """All budgets of one subscription and principal, for all threads.

    `clock` tells seconds that only grow (`time.monotonic`).
    """

    def __init__(self, requests: Requests, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        now = clock()
        door = {
            "reads": safe_bucket(requests.read_burst, requests.read_per_second, 1, now),
            "writes": safe_bucket(requests.write_burst, requests.write_per_second, 1, now),
            "deletes": safe_bucket(requests.delete_burst, requests.delete_per_second, 1, now),
        }
        self._front_door = {call: door[kind] for call, kind in _FRONT_DOOR_WORD.items()}
        delete_vm, low_cost_get = safe_bucket(1500, 500, 60, now), safe_bucket(24000, 8000, 60, now)
        self._provider = {
            Call.CREATE: safe_bucket(1500, 500, 60, now),  # Put VM
            Call.UPDATE: safe_bucket(1500, 500, 60, now),  # Update VM
            Call.DELETE: delete_vm,
            Call.DEALLOCATE: delete_vm,
            Call.LIST: safe_bucket(900, 300, 60, now),  # High Cost Get VM
            Call.READ: low_cost_get,
            Call.CONSOLE: low_cost_get,
            Call.SWEEP: Bucket(10_000 / 2, 10_000 / 300 / 2, now),  # half of it is left to others: their phase is not known
            Call.REMOVE: Bucket(1000 / 2, 1000 / 300 / 2, now),
        }
        self._paused_until = dict.fromkeys(Call, now)
        self._largest_seen: dict[str, int] = {}

    def reserve(self, call: Call) -> float:
        """Take one token of both budgets of `call`: 0.0 = taken; else seconds until it is worth asking again."""
        with self._lock:
            now = self._clock()
            buckets = (self._front_door[call], self._provider[call])
            wait = max(self._paused_until[call] - now, *(bucket.wait(now) for bucket in buckets))
            if wait > 0:
                return wait
            for bucket in buckets:
                bucket.take()
            return 0.0

    def pause(self, call: Call, seconds: float) -> None:
        """Azure said Retry-After: nothing more of this kind for `seconds`. The other kinds go on."""
        with self._lock:
            self._paused_until[call] = max(self._paused_until[call], self._clock() + seconds)

    def paused(self, call: Call) -> float:
        """Seconds until calls of this kind may be sent again after a pause; 0.0 = now."""
        with self._lock:
            return max(0.0, self._paused_until[call] - self._clock())

    def learn(self, call: Call, headers: Headers) -> None:
        """Believe what an answer says is left (x-ms-ratelimit-remaining-*) where it is less than we thought:
        somebody else draws on the same budget. `headers` must be case-insensitive, as the SDK's are."""
        door, provider = remaining(call, headers)
        with self._lock:
            now = self._clock()
            if door is not None:
                bucket = self._front_door[call]
                # None left: what Azure adds comes at the end of a second that may just have begun. To count on it piece by
                # piece would be to send into the empty bucket again and again, every eleventh call.
                bucket.lower(door or -bucket.per_second, now)
            counted = [left for policy, left in provider.items() if self._counts_all_vms(policy, left)]
            if counted:
                self._provider[call].lower(min(counted), now)

    def tokens(self, call: Call) -> float:
        """How many calls of this kind could be sent at this moment (for status and metrics)."""
        with self._lock:
            now = self._clock()
            if self._paused_until[call] > now:
                return 0.0
            return max(0.0, min(self._front_door[call].tokens(now), self._provider[call].tokens(now)))

    def _counts_all_vms(self, policy: str, left: int) -> bool:
        # Azure also has policies for the calls to one VM (12 creates, 36 reads ...) and does not document what the
        # policies are called: one that was never seen above the largest of those may be such a one.
        if policy in self._largest_seen or len(self._largest_seen) < _POLICIES_KNOWN:
            self._largest_seen[policy] = max(left, self._largest_seen.get(policy, 0))
        return self._largest_seen.get(policy, 0) > _LARGEST_VM_POLICY


def remaining(call: Call, headers: Headers) -> tuple[int | None, dict[str, int]]:
    """What an answer says is left: tokens at the front door (None = not said), and by policy of the resource provider.

    Header forms as in Microsoft Learn, "Troubleshooting API throttling errors - Compute".
    """
    door = headers.get(f"x-ms-ratelimit-remaining-subscription-{_FRONT_DOOR_WORD[call]}", "").strip()
    said = headers.get("x-ms-ratelimit-remaining-resource", "")
    return int(door) if door.isascii() and door.isdigit() else None, {name: int(left) for name, left in _POLICY.findall(said)}


def retry_after(headers: Headers) -> float | None:
    """Seconds of a Retry-After header, in any of its forms (RFC 9110, 10.2.3: seconds or a date); None = no such header."""
    for name, unit in (("retry-after-ms", 1000.0), ("x-ms-retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
            return float(value) / unit
    try:
        then = parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, (then - parsedate_to_datetime(headers.get("date", ""))).total_seconds())
    except (ValueError, TypeError):
        return None
