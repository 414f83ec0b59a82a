"""customData and userData as they are kept: a cluster's are nearly alike, long, and looked at by few."""

from __future__ import annotations

import base64
import zlib


def packed(text: str | None) -> bytes | None:
    """The base64 text as it was sent, compressed."""
    return None if text is None else zlib.compress(text.encode("ascii"), 1)


def unpacked(data: bytes | None) -> str | None:
    """What was given to `packed`."""
    return None if data is None else zlib.decompress(data).decode("ascii")


def decoded(data: bytes | None) -> bytes | None:
    """The bytes that the base64 text given to `packed` stands for."""
    text = unpacked(data)
    return None if text is None else base64.b64decode(text)
