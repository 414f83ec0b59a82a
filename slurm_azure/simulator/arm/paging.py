"""Lists in pages: an absolute, opaque nextLink, as Azure's lists have it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal

T = TypeVar("T")


def page(call: Call, items: Iterable[T], position: Callable[[T], int], show: Callable[[T], Any], size: int) -> Reply:
    """One page of `items`, which come in growing `position`. A page begins after the last position of the one before, so
    that what is made or deleted between two pages neither repeats an item nor hides one."""
    after = _position(call.query.get("$skiptoken"))
    shown: list[Any] = []
    last = after
    for item in items:
        if position(item) <= after:
            continue
        if len(shown) == size:
            return Reply(200, {"value": shown, "nextLink": _link(call, last)})
        shown.append(show(item))
        last = position(item)
    return Reply(200, {"value": shown})


def _link(call: Call, position: int) -> str:
    token = base64.urlsafe_b64encode(f"after:{position}".encode()).decode()
    query = {**call.query, "$skiptoken": token}
    return f"{call.base}{quote(call.path)}?{urlencode(query)}"


def _position(token: str | None) -> int:
    if token is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()).decode().removeprefix("after:"))
    except (ValueError, binascii.Error):
        raise Refusal(400, "InvalidSkipToken", f"The skip token '{token}' is invalid.") from None
