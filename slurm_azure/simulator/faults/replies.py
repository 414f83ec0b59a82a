"""Answers that no service would give: gateways' pages, broken bodies, lists with holes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal

_HTML = "text/html; charset=us-ascii"

# The page of Windows' web server (http.sys) when nothing answers behind it.
_PAGE = (
    '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
    "<HTML><HEAD><TITLE>{phrase}</TITLE>\r\n"
    '<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
    "<BODY><h2>{phrase}</h2>\r\n<hr><p>HTTP Error {status}. {words}</p>\r\n</BODY></HTML>\r\n"
)
# The page of Azure's application gateway.
_GATEWAY_PAGE = (
    "<html>\r\n<head><title>{status} {phrase}</title></head>\r\n<body>\r\n<center><h1>{status} {phrase}</h1></center>\r\n"
    "<hr><center>Microsoft-Azure-Application-Gateway/v2</center>\r\n</body>\r\n</html>\r\n"
)


def page(status: int, body: str, message: str = "") -> Reply:
    """An answer of that status whose body is html, plain or empty."""
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    if body == "empty":
        return Reply(status, spoiled=True)
    if body == "plain":
        return Reply(status, raw=(message or phrase).encode(), content_type="text/plain; charset=utf-8", spoiled=True)
    words = message or f"The request failed: {phrase.lower()}."
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        words = message or "The service is unavailable."
    template = _GATEWAY_PAGE if status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT) else _PAGE
    return Reply(
        status, raw=template.format(status=status, phrase=phrase, words=words).encode(), content_type=_HTML, spoiled=True
    )


def spoiled(reply: Reply, form: str) -> Reply:
    """An answer whose body is not what it should be; status and headers stay."""
    reply.spoiled = True
    if form == "empty":
        reply.body, reply.raw = None, b""
    elif form == "shape":
        reply.body, reply.raw = [{"unexpected": True}], None
    elif form == "html":
        ok = page(200, "html", "OK")
        reply.body, reply.raw, reply.content_type = None, ok.raw, ok.content_type
    else:
        whole = reply.raw if reply.raw is not None else json.dumps(reply.body).encode()
        reply.body, reply.raw = None, whole[: max(1, len(whole) * 2 // 3)]
    return reply


def refuse(call: Call, refusal: Refusal, now: float) -> Reply | Refusal:
    """A refusal in the shape that the service speaks: Resource Manager's and Key Vault's are raised as they are, Entra ID's
    ("OAuth 2.0 client credentials flow": error response), the metadata service's and the wire server's are made here."""
    if call.operation.startswith("Login_"):
        moment = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        number = refusal.message.partition(":")[0].removeprefix("AADSTS")
        body = {
            "error": refusal.code,
            "error_description": f"{refusal.message} Timestamp: {moment}",
            "error_codes": [int(number)] if number.isdecimal() else [],
            "timestamp": moment,
        }
        return Reply(refusal.status, body, refusal.headers)
    if call.operation.startswith("Imds_"):
        return Reply(refusal.status, {"error": refusal.code, "error_description": refusal.message}, refusal.headers)
    if call.operation.startswith("Wire_"):
        return Reply(refusal.status, headers=refusal.headers)
    return refusal


def without_items(reply: Reply, unwanted: Callable[[Mapping[str, Any]], bool]) -> int:
    """Leave the items of a list out that are `unwanted`; how many there were."""
    items = _items(reply)
    kept = [item for item in items if not unwanted(item)]
    if len(kept) == len(items):
        return 0
    reply.body = {**reply.body, "value": kept}
    return len(items) - len(kept)


def without_power(reply: Reply, chosen: Callable[[Mapping[str, Any]], bool]) -> int:
    """Leave the power state out of the items of a list that are `chosen`; how many there were."""
    changed, items = 0, []
    for item in _items(reply):
        view = item.get("properties", {}).get("instanceView")
        if view is not None and chosen(item):
            kept = [status for status in view.get("statuses", ()) if not status["code"].startswith("PowerState/")]
            item = {**item, "properties": {**item["properties"], "instanceView": {**view, "statuses": kept}}}
            changed += 1
        items.append(item)
    if changed:
        reply.body = {**reply.body, "value": items}
    return changed


def has_link(reply: Reply) -> bool:
    """Whether there is a link to a next page."""
    return isinstance(reply.body, dict) and bool(reply.body.get("nextLink"))


def break_link(reply: Reply) -> None:
    """Spoil the link to the next page, so that following it is refused."""
    before, _, _ = reply.body["nextLink"].partition("skiptoken=")
    reply.body = {**reply.body, "nextLink": f"{before}skiptoken=broken"}


def _items(reply: Reply) -> Sequence[Mapping[str, Any]]:
    items = reply.body.get("value") if isinstance(reply.body, dict) else None
    return items if isinstance(items, list) else []
