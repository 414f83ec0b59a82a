"""The console of a machine that is not there."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.simulator.machines.boot_log import boot_log
from tests.simulator.machines.test_provisioning import a_spec

BEGAN = 1_800_000_000.0


def log(seconds: float = 20.0, after: float = 100.0, **changes: object) -> str:
    return boot_log(replace(a_spec(), **changes), BEGAN, seconds, BEGAN + after).decode()  # type: ignore[arg-type]


def test_it_tells_of_this_machine() -> None:
    """Processors, memory, address, name and the moment cloud-init ran are the machine's own; lines end as on a serial line."""
    text = log()
    for expected in ("2 CPUs", f"{4096 * 1024}K available", "10.77.64.4/18", "52:54:0a:4d:40:04", "<n1>", "n1 login:"):
        assert expected in text
    assert "Fri, 15 Jan 2027 08:00:03 +0000. Up 3.00 seconds" in text
    assert text.count("\n") == text.count("\r\n")


def test_a_guest_that_failed_says_why() -> None:
    """The reason is in cloud-init's own form, and nobody is asked to log in."""
    text = log(failure="no disk")
    assert "result=error|reason=no disk|" in text
    assert "login:" not in text
    assert "no disk" not in log(after=19.0, failure="no disk"), "not before it failed"


def test_a_silent_machine_is_stuck() -> None:
    """It waits for something for ever, and cloud-init never starts."""
    text = log(after=1e6, silent=True)
    assert text.rstrip().endswith("(no limit)")
    assert "cloud-init" not in text


@given(st.floats(0, 1000), st.floats(0, 2000), st.floats(0, 2000))
def test_it_only_grows(seconds: float, one: float, other: float) -> None:
    """What was written stays, whatever the time of the boot."""
    earlier, later = sorted((one, other))
    assert log(seconds, later).startswith(log(seconds, earlier))
