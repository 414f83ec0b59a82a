"""This VM's operating system: commands, services, files, console."""

import os
import signal
import subprocess
import tempfile
from typing import Dict, List, Optional, Tuple

from slurm_node.outcome import one_line

TIMED_OUT, NOT_FOUND = 124, 127
CALL_TIMEOUT = 30.0


def run(
    argv: List[str], timeout: float = CALL_TIMEOUT, env: Optional[Dict[str, str]] = None, limit: int = 300
) -> Tuple[int, str]:
    """Run a command; its exit code and its output (both streams) on one line of at most `limit` characters.

    After `timeout` seconds the command and its children are killed, and the code is TIMED_OUT. What hangs in the kernel,
    as a process on a dead NFS server does, cannot be killed: it is left alone.
    """
    # A file, not a pipe: a daemon that the command leaves behind would keep a pipe open for ever.
    with tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, start_new_session=True
            )
        except OSError as error:
            return NOT_FOUND, f"{argv[0]}: {error.strerror}"
        try:
            code = child.wait(timeout)
        except subprocess.TimeoutExpired:
            _kill_session(child)
            return TIMED_OUT, f"{argv[0]} did not end within {timeout:.0f} s"
        output.seek(0)
        return code, one_line(output.read(max(limit, 1 << 16)).decode("utf-8", "replace"), limit)


def _kill_session(child: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(2)
    except (OSError, subprocess.TimeoutExpired):
        pass


def has_systemd() -> bool:
    """Whether systemd runs this VM (man sd_booted)."""
    return os.path.isdir("/run/systemd/system")


def has_unit(unit: str) -> bool:
    """Whether systemd runs this VM and knows `unit`."""
    return has_systemd() and run(["systemctl", "cat", unit])[0] == 0


def write_file(path: str, text: bytes, mode: int, owner: Tuple[int, int] = (0, 0)) -> None:
    """Put a file in place whole; at no moment has anybody rights to it beyond `mode`."""
    draft = path + ".new"
    if os.path.lexists(draft):
        os.unlink(draft)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
        stream.write(text)
        os.fchown(stream.fileno(), owner[0], owner[1])
        os.fchmod(stream.fileno(), mode)
    os.rename(draft, path)


def say(text: str) -> None:
    """A line of cloud-init's output."""
    print("slurm-azure: " + text, flush=True)


def say_on_console(text: str) -> None:
    """A line on the console itself too: cloud-init's output may go elsewhere by the image's configuration."""
    say(text)
    try:
        console = os.open("/dev/console", os.O_WRONLY | os.O_APPEND | os.O_NOCTTY)
    except OSError:
        return
    try:
        os.write(console, f"slurm-azure: {text}\r\n".encode())
    except OSError:
        pass
    finally:
        os.close(console)


def power_off() -> None:
    """Ask for it and go on. The daemon deletes the VM; until then it should at least not look alive."""
    code, output = run(["systemctl", "--no-block", "poweroff"] if has_systemd() else ["poweroff"])
    if code != 0:
        say("cannot power off: " + output)
