"""HTTP as a node needs it: ask for a JSON object until it is there."""

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, NamedTuple, Optional, Tuple

from slurm_node.outcome import Patience, StepFailed, one_line

CALL_TIMEOUT = 10.0
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 15.0


class Answer(NamedTuple):
    """An HTTP reply; `status` 0 means there was none, and `body` says why. `retry_after` is in seconds, 0 = not said."""

    status: int
    body: bytes
    retry_after: float = 0.0


def metadata_opener() -> urllib.request.OpenerDirector:
    """For the metadata service, which must not be asked through a proxy (Microsoft, "Azure Instance Metadata Service")."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def vault_opener(authorities: Optional[str]) -> urllib.request.OpenerDirector:
    """For the vault: trusts the image's certificate authorities, and those of the configuration."""
    context = ssl.create_default_context()
    if authorities is not None:
        context.load_verify_locations(cadata=authorities)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))


def ask(
    url: str,
    headers: Dict[str, str],
    opener: urllib.request.OpenerDirector,
    patience: Patience,
    final: Tuple[int, ...] = (),
) -> Dict[str, Any]:
    """GET a JSON object, again and again until it is there. Raises StepFailed on a status in `final`, or when patience ends.

    Nearly every refusal is worth another try: an identity or a role that was just assigned may be refused for a minute
    (Microsoft, "How to use managed identities for Azure resources on an Azure VM to acquire an access token").
    """
    pause = FIRST_PAUSE
    while True:
        answer = fetch(url, headers, min(CALL_TIMEOUT, max(1.0, patience.left())), opener)
        if answer.status == 200:
            return _as_object(answer.body, url)
        if answer.status in final or not patience.pause(max(pause, answer.retry_after)):
            raise StepFailed(f"{place(url)}: {refusal(answer)}")
        pause = min(pause * 2, LONGEST_PAUSE)


def fetch(url: str, headers: Dict[str, str], timeout: float, opener: urllib.request.OpenerDirector) -> Answer:
    """GET once. Never raises for what the network or the server does."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with opener.open(request, timeout=timeout) as reply:
            return Answer(reply.status, reply.read(1 << 20))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(1 << 16), _seconds(error.headers.get("Retry-After")))
    except (OSError, ValueError, EOFError) as error:
        return Answer(0, str(getattr(error, "reason", error)).encode("utf-8", "replace"))


def refusal(answer: Answer) -> str:
    """What a reply other than 200 says: its status, and Azure's error code and message if it has them."""
    text = answer.body.decode("utf-8", "replace")
    try:
        error = json.loads(text)["error"]
        text = f"{error['code']}: {error['message']}" if isinstance(error, dict) else f"{error}"
    except (ValueError, KeyError, TypeError):
        pass
    return one_line(f"HTTP {answer.status} {text}" if answer.status else f"no answer: {text}", 200)


def place(url: str) -> str:
    """URL without its query."""
    return url.split("?", 1)[0]


def _as_object(body: bytes, url: str) -> Dict[str, Any]:
    try:
        value = json.loads(body.decode("utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise StepFailed(f"{place(url)}: the answer is no JSON object")
    return value


def _seconds(header: Optional[str]) -> float:
    """Retry-After as these services send it: seconds, never a date."""
    return float(header) if header is not None and header.isdigit() else 0.0
