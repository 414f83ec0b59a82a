"""The serial console of a machine: its last part is kept, as Azure's boot diagnostics does."""

from __future__ import annotations

import asyncio

LIMIT = 1 << 20  # bytes


class Console:
    """What came over the serial line, at most the last mebibyte of it."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._text = bytearray()

    def write(self, chunk: bytes) -> None:
        """Append `chunk`; the oldest bytes go when there are twice too many, so that few copies are made."""
        self._text += chunk
        if len(self._text) > 2 * self._limit:
            del self._text[: -self._limit]

    def text(self) -> bytes:
        """The last part of what was written."""
        return bytes(self._text[-self._limit :])

    async def follow(self, stream: asyncio.StreamReader) -> None:
        """Take everything from `stream` until it ends."""
        while chunk := await stream.read(1 << 16):
            self.write(chunk)
