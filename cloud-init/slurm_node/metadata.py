"""The metadata service as the watcher asks it: once a second over one connection, without proxy, libraries kept small."""

import http.client
import json
import urllib.parse
from typing import Any, Callable, Dict, List, Optional, Tuple

COMPUTE = "/metadata/instance/compute?api-version=2021-02-01"
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"
LAUNCH_TAG = "slurm-azure-launch"
# "You should expect a delayed response in your first call of up to two minutes" (Scheduled Events for Linux VMs).
FIRST_TIMEOUT, TIMEOUT = 130.0, 5.0


class NoAnswer(Exception):
    """The metadata service did not answer as it should; the text says how."""


class Metadata:
    """The service at `base`, an http URL. `connect` makes a connection to it."""

    def __init__(self, base: str, connect: Callable[..., http.client.HTTPConnection] = http.client.HTTPConnection) -> None:
        parts = urllib.parse.urlsplit(base)
        self._address = (parts.hostname or "", parts.port or 80)
        self._connect = connect
        self._connection: Optional[http.client.HTTPConnection] = None
        self._enabled = False

    def compute(self) -> Dict[str, Any]:
        """What the service has of this VM. Raises NoAnswer."""
        return self._get(COMPUTE, TIMEOUT)

    def events(self) -> Dict[str, Any]:
        """The document of Scheduled Events; the first request enables them. Raises NoAnswer."""
        document = self._get(EVENTS, TIMEOUT if self._enabled else FIRST_TIMEOUT)
        self._enabled = True
        return document

    def acknowledge(self, event: str) -> bool:
        """Let an event start now; False = it is no event that waits for that any more. Raises NoAnswer."""
        body = json.dumps({"StartRequests": [{"EventId": event}]})
        status, text = self._ask("POST", EVENTS, TIMEOUT, body)
        if status not in (200, 400):
            raise NoAnswer(f"HTTP {status} {text[:100]!r}")
        return status == 200

    def _get(self, path: str, timeout: float) -> Dict[str, Any]:
        status, text = self._ask("GET", path, timeout)
        if status != 200:
            raise NoAnswer(f"HTTP {status} {text[:100]!r}")
        try:
            value = json.loads(text.decode("utf-8"))
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise NoAnswer(f"the answer is no JSON object: {text[:100]!r}")
        return value

    def _ask(self, method: str, path: str, timeout: float, body: Optional[str] = None) -> Tuple[int, bytes]:
        used = self._connection is not None
        try:
            return self._exchange(method, path, timeout, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not used:
                raise NoAnswer(f"{type(error).__name__}: {error}") from None
        try:  # the service may close a connection that it kept open so far: that is no answer yet
            return self._exchange(method, path, timeout, body)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(f"{type(error).__name__}: {error}") from None

    def _exchange(self, method: str, path: str, timeout: float, body: Optional[str]) -> Tuple[int, bytes]:
        if self._connection is None:
            self._connection = self._connect(*self._address, timeout=timeout)
        self._connection.timeout = timeout
        if self._connection.sock is not None:
            self._connection.sock.settimeout(timeout)
        self._connection.request(method, path, body, {"Metadata": "true"})
        with self._connection.getresponse() as reply:
            return reply.status, reply.read(1 << 20)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def launch_of(compute: Dict[str, Any]) -> str:
    """The launch that the VM's tag names now, "" if it has none: a VM that was deallocated and started for another launch
    still has the user data of its first."""
    tags: List[Dict[str, str]] = compute.get("tagsList") or []
    return next((str(tag.get("value", "")) for tag in tags if tag.get("name") == LAUNCH_TAG), "")
