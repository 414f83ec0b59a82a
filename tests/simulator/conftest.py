"""Fixtures: a simulated Azure in which nothing takes time, and one whose clock the test holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from slurm_azure.simulator.timing import constant
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """Everything happens at once."""
    with simulated_azure() as running:
        yield running


@pytest.fixture
def slow_azure() -> Iterator[SimulatedAzure]:
    """A host after 2 s, ready 20 s later, gone 30 s after a delete; time passes by `advance` alone."""
    timing = {"create_seconds": constant(2.0), "boot_seconds": constant(20.0), "delete_seconds": constant(30.0)}
    with simulated_azure(clock=ManualClock(), **timing) as running:
        yield running
