"""What the hooks do: make one request durable as one spool file, wake the daemon, be gone.

The hooks import this module and nothing else, so it stays with a handful of built-in modules: slurmctld starts a hook
for each batch, and a hook is done before a larger program would have been loaded. `read` is the daemon's side of the
same file format, kept here so that there is one place for it.

A spool file is `<time in ns>-<random>.request`; its bytes are

    slurm-azure-request 1
    kind resume
    at 1763700000.123456
    nodes 11
                                (an empty line)
    az-hb-[1-4]                 (that many bytes: the hostlist as slurmctld gave it)
    {"jobs": ...                (all the rest: SLURM_RESUME_FILE as it was, if there was one)

It is written under another name, synced, and renamed, so a file with the right name is always whole (man rename).
"""

from __future__ import annotations

import os
import sys
import time

SPOOL = "/var/lib/slurm-azure/spool"
WAKE = "/run/slurm-azure/wake"
MAGIC = b"slurm-azure-request 1"
SUFFIX = ".request"
LARGEST_RESUME_FILE = 64 << 20  # bytes; 10,000 one-node jobs are some 2 MB


class NotARequest(ValueError):
    """A spool file is not one of ours; the daemon sets it aside."""


def main(kind: str, arguments: list[str]) -> int:
    """Run a hook: `[--spool DIR] [--wake FIFO] HOSTLIST`, or `[...] --check` to try all but the writing of a request.

    The hostlist is the last argument: with Slurm's PowerAction an administrator's own arguments come before it (man
    slurm.conf). Returns 0 once the request is durable, else 1 with one line in syslog and on stderr.
    """
    resume_file = _read_resume_file()  # first: slurmctld keeps it for 10 s (Slurm's Power Saving Guide)
    _occupy_standard_files()
    spool, fifo = _option(arguments, "--spool", SPOOL), _option(arguments, "--wake", WAKE)
    if not arguments or not arguments[-1]:
        return _complain(kind, "slurmctld gave no hostlist as the last argument", 2)
    try:
        if arguments[-1] == "--check":
            _try(spool)
            return 0
        accept(spool, kind, os.fsencode(arguments[-1]), resume_file, time.time_ns())
    except OSError as error:
        return _complain(kind, "cannot write to %s: %s" % (spool, error.strerror), 1)
    wake(fifo)
    return 0


def accept(spool: str, kind: str, nodes: bytes, resume_file: bytes, now_ns: int) -> str:
    """Write one durable spool file and return its path. Raises OSError; then nothing has been accepted."""
    head = b"%s\nkind %s\nat %d.%06d\nnodes %d\n\n" % (
        MAGIC, kind.encode(), now_ns // 10**9, now_ns % 10**9 // 1000, len(nodes),
    )  # fmt: skip
    return write_durably(spool, new_name(now_ns) + SUFFIX, head + nodes + resume_file, 0o600)


def new_name(now_ns: int) -> str:
    """A name that sorts by time and that nobody else will take."""
    return "%020d-%s" % (now_ns, os.urandom(6).hex())


def write_durably(where: str, name: str, data: bytes, mode: int) -> str:
    """Make one file of the daemon's owner in a folder (made if only that is missing), whole and synced before it gets its
    name; return its path. Raises OSError; then it is not there."""
    waiting, final = os.path.join(where, "." + name), os.path.join(where, name)
    folder = _open_folder(where)
    try:
        file = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            _write_all(file, data)
            _give_to_owner_of(folder, file)
            os.fsync(file)
        except OSError:
            os.unlink(waiting)
            raise
        finally:
            os.close(file)
        os.rename(waiting, final)
        os.fsync(folder)
    finally:
        os.close(folder)
    return final


def read(data: bytes) -> tuple[str, float, bytes, bytes]:
    """The content of a spool file: kind, moment (s since the epoch), hostlist, resume file. Raises NotARequest."""
    head, separator, body = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if not separator or lines[0] != MAGIC:
        raise NotARequest("does not begin with %r" % MAGIC)
    fields = dict(line.split(b" ", 1) for line in lines[1:] if b" " in line)
    try:
        kind, at, length = fields[b"kind"].decode(), float(fields[b"at"]), int(fields[b"nodes"])
    except (KeyError, ValueError) as error:
        raise NotARequest("has a broken head: %s" % error) from None
    if length < 0 or length > len(body):
        raise NotARequest("is shorter than its head says")
    return kind, at, body[:length], body[length:]


def _read_resume_file() -> bytes:
    """SLURM_RESUME_FILE, if there is one that can be read: what it says is a bonus, the hostlist is the request."""
    path = os.environ.get("SLURM_RESUME_FILE")
    if not path:
        return b""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    parts, size = [], 0
    try:
        while size < LARGEST_RESUME_FILE:
            part = os.read(file, 1 << 20)
            if not part:
                break
            parts.append(part)
            size += len(part)
    except OSError:
        return b""
    finally:
        os.close(file)
    return b"".join(parts)


def _occupy_standard_files() -> None:
    """slurmctld up to 22.05 starts hooks with 0, 1 and 2 closed: the next files opened must not land there."""
    null = os.open(os.devnull, os.O_RDWR)
    while null <= 2:
        null = os.dup(null)
    os.close(null)


def _option(arguments: list[str], name: str, otherwise: str) -> str:
    if name in arguments[:-1]:
        at = arguments.index(name)
        value = arguments[at + 1]
        del arguments[at : at + 2]
        return value
    return otherwise


def _open_folder(spool: str) -> int:
    """The spool folder's descriptor; the folder is made if only that is missing (the daemon may never have run yet)."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    try:
        return os.open(spool, flags)
    except FileNotFoundError:
        os.mkdir(spool, 0o750)
        folder = os.open(spool, flags)
        parent = os.open(os.path.join(spool, os.pardir), flags)
        _give_to_owner_of(parent, folder)
        os.close(parent)
        return folder


def _give_to_owner_of(folder: int, file: int) -> None:
    """A hook run by hand as root must not leave a file or folder that the daemon's user cannot read."""
    if os.geteuid() == 0:
        owner = os.fstat(folder)
        os.fchown(file, owner.st_uid, owner.st_gid)


def _write_all(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def wake(fifo: str) -> bool:
    """Tell the daemon there is something; False = none listens there. It finds the file when it comes."""
    try:
        pipe = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(pipe, b"\n")
    except OSError:
        pass  # the pipe is full of wake-ups already
    finally:
        os.close(pipe)
    return True


def _try(spool: str) -> None:
    folder = _open_folder(spool)
    try:
        trial = os.path.join(spool, ".check-%d" % os.getpid())
        os.close(os.open(trial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        os.unlink(trial)
    finally:
        os.close(folder)


def _complain(kind: str, what: str, code: int) -> int:
    import syslog  # only now: a hook that works needs it not

    text = "slurm-azure %s: %s" % (kind, what)
    syslog.openlog("slurm-azure", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_ERR, text)
    try:
        sys.stderr.write(text + "\n")
    except (OSError, AttributeError):
        pass
    return code
