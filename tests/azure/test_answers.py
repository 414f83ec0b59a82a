"""What Azure's answers say, and what they do not."""

from __future__ import annotations

from typing import Any

import pytest

from slurm_azure.azure.answers import power_in
from slurm_azure.azure.cloud import VmPower


@pytest.mark.parametrize(
    ("state", "power"),
    [
        ("running", VmPower.RUNNING),
        ("starting", VmPower.RUNNING),
        ("stopping", VmPower.OTHER),
        ("stopped", VmPower.OTHER),
        ("deallocating", VmPower.OTHER),
        ("deallocated", VmPower.DEALLOCATED),
        ("unknown", None),
    ],
)
def test_a_power_state_is_what_the_instance_view_says(state: str, power: VmPower | None) -> None:
    """Seven words of Azure's; of `unknown` nothing is concluded."""
    statuses = [{"code": "ProvisioningState/succeeded"}, {"code": f"PowerState/{state}"}]
    assert power_in({"statuses": statuses}) is power


@pytest.mark.parametrize("view", [{}, {"statuses": []}, {"statuses": [{"code": "ProvisioningState/updating"}]}])
def test_a_view_without_a_power_state_says_nothing(view: dict[str, Any]) -> None:
    """Else a silent node's VM would be taken for stopped, and deleted with the jobs on it."""
    assert power_in(view) is None
