"""The mount.nfs stand-in asks a real server, and believes what it says."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

STAND_IN = Path(__file__).parents[3] / "slurm_azure/simulator/machines/image/usr/sbin/mount.nfs"


class Server:
    """One call, one reply: `answer` makes the reply's bytes of the call's."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.call = b""
        self._thread = threading.Thread(target=self._serve, args=(answer,))
        self._thread.start()

    def _serve(self, answer: Callable[[bytes], bytes]) -> None:
        connection, _ = self._listener.accept()
        with connection:
            (mark,) = struct.unpack(">I", connection.recv(4, socket.MSG_WAITALL))
            self.call = connection.recv(mark & 0x7FFFFFFF, socket.MSG_WAITALL)
            connection.sendall(answer(self.call))

    def close(self) -> None:
        self._thread.join(10)
        self._listener.close()


def reply(status: int) -> Callable[[bytes], bytes]:
    """An accepted COMPOUND with this status."""

    def answer(call: bytes) -> bytes:
        body = call[:4] + struct.pack(">6I", 1, 0, 0, 0, 0, status) + struct.pack(">2I", 0, 0)
        return struct.pack(">I", 0x80000000 | len(body)) + body

    return answer


def mount(source: str, port: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(STAND_IN), source, "/nowhere", "-o", f"rw,port={port},vers=4.1"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


@pytest.mark.parametrize(
    ("status", "says"), [(2, "No such file or directory"), (13, "Permission denied"), (10016, "NFS error 10016")]
)
def test_what_the_server_refuses_is_not_mounted(status: int, says: str) -> None:
    """Exit code 32 and the server's reason, in the words of the real mount.nfs."""
    server = Server(reply(status))
    done = mount("127.0.0.1:/share/films", server.port)
    server.close()
    assert done.returncode == 32
    assert done.stderr == f"mount.nfs: mounting 127.0.0.1:/share/films failed, reason given by server: {says}\n"


def test_the_whole_path_is_looked_up() -> None:
    """PUTROOTFH and a LOOKUP for each name: RFC 7530, 16.10 and 16.18."""
    server = Server(reply(2))
    mount("127.0.0.1:/share/films", server.port)
    server.close()
    operations = server.call[server.call.index(struct.pack(">2I", 24, 15)) :]
    assert operations == struct.pack(">3I", 24, 15, 5) + b"share\0\0\0" + struct.pack(">2I", 15, 5) + b"films\0\0\0"


def test_what_the_simulator_was_not_given_is_not_mounted() -> None:
    """The server has it, but there is no folder to bind: said plainly."""
    server = Server(reply(0))
    done = mount("127.0.0.1:/share", server.port)
    server.close()
    assert done.returncode == 32
    assert "the simulator was not given that folder" in done.stderr


def test_another_server_is_no_nfs_server() -> None:
    """Something listens, but it is no NFS server."""
    server = Server(lambda call: struct.pack(">I", 0x80000004) + b"HTTP")
    done = mount("127.0.0.1:/share", server.port)
    server.close()
    assert done.returncode == 32
    assert "does not speak NFS version 4" in done.stderr


def test_no_server_is_an_error() -> None:
    """Nobody listens: the cause, no traceback."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    done = mount("127.0.0.1:/share", port)
    assert done.returncode == 32
    assert done.stderr == "mount.nfs: 127.0.0.1:/share: [Errno 111] Connection refused\n"
