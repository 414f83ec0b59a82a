"""What a Spot VM may cost at most: its billingProfile.maxPrice against the price of the moment.

Code and text: "Error messages for Azure Spot Virtual Machines and scale sets"; -1 or none = up to the price on demand, which a
Spot price never exceeds: "Use Azure Spot Virtual Machines" (both Microsoft Learn). The names of operations are not documented.
"""

from __future__ import annotations

from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world.price_list import PriceList
from slurm_azure.simulator.world.vm import VirtualMachine, part

CREATE, START = "Create VM", "Start VM"


def check(prices: PriceList, vm: VirtualMachine, operation: str) -> None:
    """Raises Refusal (409) if `vm` is Spot and its size costs more now than it may."""
    failure = too_dear(prices, vm, operation)
    if failure is not None:
        raise Refusal(409, *failure)


def too_dear(prices: PriceList, vm: VirtualMachine, operation: str = CREATE) -> tuple[str, str] | None:
    """The error (code, message) if `vm` is Spot and its size costs more now than it may, else None."""
    limit = most(vm)
    price = prices.spot(vm.size.name, vm.location) if limit is not None else None
    if limit is None or price is None or price <= limit:
        return None
    return "SpotPriceGreaterThanProvidedMaxPrice", (
        f"Unable to perform operation '{operation}' since the provided max price '{_usd(limit)} USD' is lower than the current "
        f"spot price '{_usd(price)} USD' for Azure Spot Virtual Machine size '{vm.size.name}'."
    )


def most(vm: VirtualMachine) -> float | None:
    """What `vm` may cost at most, USD per hour; None if it is no Spot VM, or may cost as much as on demand."""
    if not vm.spot:
        return None
    limit: float = part(vm.model, "billingProfile").get("maxPrice", -1)
    return None if limit == -1 else limit


def _usd(price: float) -> str:
    return f"{price:.10f}".rstrip("0").rstrip(".")
