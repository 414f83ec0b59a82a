"""An end to every answer: one that comes byte by byte would otherwise hold a thread for ever, as each byte is in time.

requests and urllib3 only know how long a single read may take. So the sockets of our connections look at the clock before each
read: `within(seconds)` says until when what this thread reads has to be whole.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

_HERE = threading.local()


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """All that this thread reads in here must have come within `seconds`; a read after that raises TimeoutError."""
    _HERE.end = time.monotonic() + seconds
    try:
        yield
    finally:
        _HERE.end = None


class _Socket(ssl.SSLSocket):
    """A TLS socket that knows the end of what its thread is about."""

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        end = getattr(_HERE, "end", None)
        if end is None:
            return super().recv_into(buffer, nbytes, flags)
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer did not end in time")
        patience = self.gettimeout()
        self.settimeout(left if patience is None else min(left, patience))
        try:
            return super().recv_into(buffer, nbytes, flags)
        finally:
            self.settimeout(patience)


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        context = create_urllib3_context()
        context.sslsocket_class = _Socket
        super().init_poolmanager(*args, ssl_context=context, **kwargs)


def make_session() -> requests.Session:
    """A session whose TLS sockets heed `within`."""
    session = requests.Session()
    session.mount("https://", _Adapter())
    return session
