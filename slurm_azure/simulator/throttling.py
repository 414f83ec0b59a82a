"""Throttling: the token buckets of Azure Resource Manager and of the Compute resource provider."""

from __future__ import annotations

from slurm_azure.simulator.call import Call
from slurm_azure.simulator.clock import Clock


class Throttling:
    """Counts requests against their budgets, unless switched off."""

    def __init__(self, clock: Clock, enabled: bool) -> None:
        self._clock = clock
        self._enabled = enabled

    def admit(self, call: Call) -> dict[str, str]:
        """Charge a request to Azure Resource Manager's buckets (call.principal is known); the headers that tell what is left.

        Raises Refusal (429).
        """
        return {}

    def admit_provider(self, call: Call, policy: str) -> dict[str, str]:
        """Charge an authorised request to the resource provider's bucket `policy` ('' = none); the headers that tell what is
        left. Raises Refusal (429)."""
        return {}
