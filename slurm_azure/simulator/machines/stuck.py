"""A machine that was powered on and never boots: its image is broken, or its disk does not come."""

from __future__ import annotations

_CONSOLE = (
    b'BdsDxe: loading Boot0001 "UEFI Misc Device" from VMBUS\r\n'
    b'BdsDxe: starting Boot0001 "UEFI Misc Device" from VMBUS\r\n'
    b"error: no such device: /boot/grub.\r\nEntering rescue mode...\r\ngrub rescue> "
)


class StuckMachine:
    """Says nothing to anybody, until it is destroyed."""

    __slots__ = ()

    async def destroy(self) -> None:
        """Nothing to take away."""

    def console(self) -> bytes:
        """What the firmware wrote before it gave up."""
        return _CONSOLE

    async def pause(self) -> None:
        """Nothing runs that could stop."""

    async def resume(self) -> None:
        """Nothing has stopped."""

    async def cut_off(self) -> None:
        """Nobody could reach it before."""
