"""Request budgets: what is promised is never more than Azure grants, and one budget's trouble is not another's."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.azure.cloud import Call
from slurm_azure.azure.limits import Bucket, Limits, remaining, retry_after
from slurm_azure.config import Requests


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def limits(clock: Callable[[], float], **requests: float) -> Limits:
    return Limits(Requests.model_validate(requests), clock)


def drain(budget: Limits, call: Call) -> int:
    """How many calls are granted at this moment."""
    count = 0
    while budget.reserve(call) == 0:
        count += 1
    return count


steps = st.lists(st.tuples(st.floats(0, 40), st.integers(0, 60)), max_size=40)


class TestBucket:
    """The bucket's own laws."""

    @given(burst=st.integers(1, 50), rate=st.floats(0.1, 30), plan=steps)
    def test_no_window_holds_more_than_burst_and_refill(self, burst: int, rate: float, plan: list[tuple[float, int]]) -> None:
        """However calls come, no window of T seconds grants more than burst + rate * T."""
        now, granted = 0.0, []
        bucket = Bucket(burst, rate, now)
        for pause, asked in plan:
            now += pause
            for _ in range(asked):
                if bucket.wait(now) == 0:
                    bucket.take()
                    granted.append(now)
        for first, start in enumerate(granted):
            for last in range(first, len(granted)):
                assert last - first + 1 <= burst + rate * (granted[last] - start) + 1e-6

    @given(burst=st.integers(1, 50), rate=st.floats(0.1, 30), taken=st.integers(0, 50))
    def test_waiting_as_long_as_told_gets_a_token(self, burst: int, rate: float, taken: int) -> None:
        """The wait that is told is enough: asking again after it succeeds."""
        bucket = Bucket(burst, rate, 0.0)
        for _ in range(min(taken, burst)):
            bucket.take()
        assert bucket.wait(bucket.wait(0.0) + 1e-9) == 0

    def test_clock_that_goes_back_gives_nothing(self) -> None:
        """A clock that jumps back neither adds tokens nor takes any."""
        bucket = Bucket(2, 1, 100.0)
        bucket.take()
        assert bucket.tokens(50.0) == 1


class SteppedBucket:
    """Azure's side: full at first, `refill` added at whole periods of a phase we do not know."""

    def __init__(self, size: int, refill: int, period: float, phase: float) -> None:
        self.size, self.refill, self.period = size, refill, period
        self.tokens, self.next_step = size, phase

    def accepts(self, now: float) -> bool:
        while self.next_step <= now:
            self.tokens = min(self.size, self.tokens + self.refill)
            self.next_step += self.period
        self.tokens -= 1
        return self.tokens >= 0


class TestLimits:
    """Budgets by kind of call."""

    @given(phase=st.floats(0.01, 1), compute_phase=st.floats(0.01, 60), plan=st.lists(st.floats(0, 90), min_size=1, max_size=6))
    def test_azure_never_throttles_us_when_alone(self, phase: float, compute_phase: float, plan: list[float]) -> None:
        """Whatever the phase of Azure's refills, both of its doors accept all that is granted."""
        clock = Clock()
        budget = limits(clock)
        door = SteppedBucket(200, 10, 1, clock.now + phase)
        compute = SteppedBucket(1500, 500, 60, clock.now + compute_phase)
        for pause in plan:
            clock.now += pause
            for _ in range(drain(budget, Call.CREATE)):
                assert door.accepts(clock.now)
                assert compute.accepts(clock.now)

    @pytest.mark.parametrize(("creates", "bound"), [(1000, 80.0), (2000, 180.0), (5000, 480.0)])
    def test_burst_of_creates_takes_hardly_longer_than_azure_allows(self, creates: int, bound: float) -> None:
        """1,000, 2,000 and 5,000 creates are granted within 1.05 times Azure's own bound."""
        clock = Clock()
        budget = limits(clock)
        for _ in range(creates):
            while (wait := budget.reserve(Call.CREATE)) > 0:
                clock.now += wait
        assert clock.now - 1000 <= 1.05 * bound

    def test_compute_binds_in_the_long_run(self) -> None:
        """Azure's front door lets 600 creates a minute through, Compute only 500: an hour's creates show Compute's rate."""
        clock = Clock()
        budget = limits(clock)
        granted = 0
        for _ in range(3600):
            granted += drain(budget, Call.CREATE)
            clock.now += 1
        assert granted == pytest.approx(1000 + 500 * 60, abs=10)

    def test_pause_holds_one_kind_only(self) -> None:
        """A Retry-After for creates stops creates for that long, and nothing else."""
        clock = Clock()
        budget = limits(clock)
        budget.pause(Call.CREATE, 120)
        assert budget.reserve(Call.CREATE) == pytest.approx(120)
        assert [budget.reserve(call) for call in (Call.DELETE, Call.LIST, Call.READ)] == [0, 0, 0]
        clock.now += 121
        assert budget.reserve(Call.CREATE) == 0

    def test_shorter_pause_does_not_end_a_longer_one(self) -> None:
        """Two answers with Retry-After: the longer one counts."""
        clock = Clock()
        budget = limits(clock)
        budget.pause(Call.LIST, 1200)
        budget.pause(Call.LIST, 1)
        assert budget.reserve(Call.LIST) == pytest.approx(1200)

    def test_lists_and_reads_share_the_front_door(self) -> None:
        """A list and a single read are both reads to Azure Resource Manager."""
        budget = limits(Clock(), read_burst=30)
        assert drain(budget, Call.LIST) == 5
        assert budget.reserve(Call.READ) > 0

    @pytest.mark.parametrize("call", [Call.UPDATE, Call.DEALLOCATE, Call.CONSOLE])
    def test_posts_share_the_front_door_with_creates(self, call: Call) -> None:
        """To Azure Resource Manager a POST is a write: start, deallocate and console logs draw on what creates draw on."""
        budget = limits(Clock(), write_burst=30)
        assert drain(budget, call) == 20
        assert budget.reserve(Call.CREATE) > 0
        assert budget.reserve(Call.DELETE) == budget.reserve(Call.READ) == 0

    def test_deallocations_are_deletes_to_compute(self) -> None:
        """Compute's policy Delete VM counts both, Update VM counts starts alone."""
        budget = limits(Clock(), write_burst=5000, delete_burst=5000)
        assert drain(budget, Call.DEALLOCATE) == 1000
        assert budget.reserve(Call.DELETE) > 0
        assert drain(budget, Call.UPDATE) == 1000
        assert drain(budget, Call.CREATE) == 1000

    def test_sweeping_leaves_the_networks_budget_to_others(self) -> None:
        """10,000 reads and 1,000 writes in any five minutes are Microsoft.Network's: never more, in any window."""
        clock = Clock()
        budget = limits(clock, read_burst=20_000, read_per_second=1000, delete_burst=20_000, delete_per_second=1000)
        granted = {Call.SWEEP: 0, Call.REMOVE: 0}
        for _ in range(300):
            for call in granted:
                granted[call] += drain(budget, call)
            clock.now += 1
        assert 9_900 < granted[Call.SWEEP] <= 10_000
        assert 990 < granted[Call.REMOVE] <= 1_000

    def test_sweeps_and_removals_share_the_front_door(self) -> None:
        """A list of interfaces is a read like any other, a removal a delete."""
        budget = limits(Clock(), read_burst=30, delete_burst=15)
        assert (drain(budget, Call.SWEEP), drain(budget, Call.REMOVE)) == (5, 5)
        assert budget.reserve(Call.LIST) > 0
        assert budget.reserve(Call.DELETE) > 0

    def test_nothing_is_taken_where_one_door_is_empty(self) -> None:
        """A refusal by one budget leaves the other's tokens where they are."""
        clock = Clock()
        budget = limits(clock, delete_burst=11)
        budget.reserve(Call.DELETE)
        before = budget._provider[Call.DELETE].tokens(clock.now)
        for _ in range(100):
            assert budget.reserve(Call.DELETE) > 0
        assert budget._provider[Call.DELETE].tokens(clock.now) == before

    def test_header_lowers_what_we_think_is_left(self) -> None:
        """Another client drew on the same writes: the header says 3, so 3 are left and not 190."""
        budget = limits(Clock())
        budget.learn(Call.CREATE, {"x-ms-ratelimit-remaining-subscription-writes": "3"})
        assert drain(budget, Call.CREATE) == 3

    def test_header_never_raises_what_we_think_is_left(self) -> None:
        """An answer that says more than we hold is older than our own calls under way."""
        budget = limits(Clock(), write_burst=12)
        budget.learn(Call.CREATE, {"x-ms-ratelimit-remaining-subscription-writes": "11999"})
        assert drain(budget, Call.CREATE) == 2

    def test_policy_of_one_vm_does_not_count_for_all(self) -> None:
        """Compute's policies by VM (12 and fewer left) say nothing about the whole subscription."""
        budget = limits(Clock())
        said = "Microsoft.Compute/PutOneVm;11,Microsoft.Compute/PutAllVms;1490"
        budget.learn(Call.CREATE, {"x-ms-ratelimit-remaining-resource": said})
        assert drain(budget, Call.CREATE) == 190

    def test_policy_of_the_subscription_counts_down_to_nothing(self) -> None:
        """A policy once seen with many tokens is believed when it says there are 2."""
        budget = limits(Clock())
        budget.learn(Call.LIST, {"x-ms-ratelimit-remaining-resource": "Microsoft.Compute/HighCostGet;880"})
        budget.learn(Call.LIST, {"x-ms-ratelimit-remaining-resource": "Microsoft.Compute/HighCostGet;2"})
        assert drain(budget, Call.LIST) == 2

    def test_policy_names_are_not_collected_without_end(self) -> None:
        """A service that invents a policy name for each answer does not fill the memory."""
        budget = limits(Clock())
        for number in range(1000):
            budget.learn(Call.READ, {"x-ms-ratelimit-remaining-resource": f"Microsoft.Compute/P{number};100"})
        assert len(budget._largest_seen) <= 64

    def test_tokens_tell_what_could_be_sent(self) -> None:
        """`tokens` is the smaller of both budgets, and 0 while paused."""
        budget = limits(Clock(), write_burst=60)
        assert budget.tokens(Call.CREATE) == 50
        budget.pause(Call.CREATE, 1)
        assert budget.tokens(Call.CREATE) == 0

    def test_threads_together_get_no_more_than_the_bucket(self) -> None:
        """Eight threads that ask at once are granted exactly what the bucket holds."""
        budget = limits(Clock(), write_burst=510)
        granted: list[int] = []
        threads = [threading.Thread(target=lambda: granted.append(drain(budget, Call.CREATE))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(granted) == 500


class TestHeaders:
    """Reading Azure's header forms."""

    def test_joined_policies(self) -> None:
        """Several policies in one header, as recorded traffic shows them."""
        headers = {"x-ms-ratelimit-remaining-resource": "Microsoft.Compute/PutVM3Min;239,Microsoft.Compute/PutVM30Min;1198"}
        by_policy = {"Microsoft.Compute/PutVM3Min": 239, "Microsoft.Compute/PutVM30Min": 1198}
        assert remaining(Call.CREATE, headers) == (None, by_policy)

    @given(st.text(), st.text())
    def test_any_text_is_survived(self, door: str, policies: str) -> None:
        """Headers that are no such thing are no information, and never an exception."""
        headers = {"x-ms-ratelimit-remaining-subscription-reads": door, "x-ms-ratelimit-remaining-resource": policies}
        left, by_policy = remaining(Call.LIST, headers)
        assert left is None or left >= 0
        assert all(tokens >= 0 for tokens in by_policy.values())

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({}, None),
            ({"retry-after": "1200"}, 1200),
            ({"retry-after": "1.5"}, 1.5),
            ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
            ({"retry-after": "Sat, 21 Nov 2026 05:00:30 GMT", "date": "Sat, 21 Nov 2026 05:00:00 GMT"}, 30),
            ({"retry-after": "Sat, 21 Nov 2026 04:00:00 GMT", "date": "Sat, 21 Nov 2026 05:00:00 GMT"}, 0),
            ({"retry-after": "Sat, 21 Nov 2026 05:00:30 GMT"}, None),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "-5"}, None),
        ],
    )
    def test_retry_after(self, headers: dict[str, str], seconds: float | None) -> None:
        """Seconds, milliseconds and dates are read; nonsense is no Retry-After."""
        assert retry_after(headers) == seconds

    @given(st.text(), st.text())
    def test_any_retry_after_is_survived(self, value: str, date: str) -> None:
        """No text makes it raise, or come out negative."""
        seconds = retry_after({"retry-after": value, "date": date})
        assert seconds is None or seconds >= 0


def test_a_pause_holds_for_calls_that_have_their_token_already() -> None:
    """Retry-After is for whatever is not sent yet: how long is left of it, and that the other kinds go on."""
    now = [100.0]
    limits = Limits(Requests(), lambda: now[0])
    assert limits.reserve(Call.CREATE) == 0.0
    limits.pause(Call.CREATE, 30)
    now[0] += 10
    assert (limits.paused(Call.CREATE), limits.paused(Call.DELETE)) == (20.0, 0.0)
    now[0] += 25
    assert limits.paused(Call.CREATE) == 0.0
