"""The serial console is kept, within bounds."""

from __future__ import annotations

import asyncio

from slurm_azure.simulator.machines.console import Console


def test_the_last_part_is_kept() -> None:
    """However much a guest writes, and in whatever pieces."""
    console = Console(limit=100)
    for number in range(1000):
        console.write(f"line {number}\n".encode())
    text = console.text()
    assert len(text) == 100
    assert text.endswith(b"line 998\nline 999\n")


def test_it_follows_a_stream_to_its_end() -> None:
    """All of a short text, unchanged."""

    async def follow() -> bytes:
        stream, console = asyncio.StreamReader(), Console()
        stream.feed_data(b"booting\n")
        stream.feed_data(b"up\n")
        stream.feed_eof()
        await console.follow(stream)
        return console.text()

    assert asyncio.run(follow()) == b"booting\nup\n"
