"""Fixtures of the contract tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contracts.drivers import KINDS
from tests.contracts.walks import Drive, driver
from tests.support.simulated_azure import SimulatedAzure, simulated_azure


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    with simulated_azure(page_size=2) as simulated:
        yield simulated


@pytest.fixture(params=KINDS)
def drive(request: pytest.FixtureRequest, azure: SimulatedAzure) -> Drive:
    """Runs a walk with a client of either kind."""
    return driver(azure, request.param)
