"""The only place that turns an exception into a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable

from slurm_azure.errors import SlurmAzureError

INPUT_OUTPUT = 74  # sysexits(3): EX_IOERR
PERMISSION = 77  # EX_NOPERM
BUG = 70  # EX_SOFTWARE
INTERRUPTED = 130  # 128 + SIGINT, as shells say it
PIPE = 141  # 128 + SIGPIPE


def guard(work: Callable[[], int], verbose: bool = False) -> int:
    """Do `work` and return its exit code, or that of what it raised, explained in one line for each mistake."""
    try:
        code = work()
        sys.stdout.flush()  # here, where a reader that has gone is still understood
        return code
    except SystemExit as end:  # argparse's --help and --version
        return end.code if isinstance(end.code, int) else 0
    except BrokenPipeError:
        _give_up_stdout()
        return PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if verbose:
            traceback.print_exc()
        return explain(error)


def explain(error: Exception) -> int:
    """Say on stderr what `error` means for the user; its exit code."""
    if isinstance(error, SlurmAzureError):
        for line in str(error).splitlines():
            _say(line)
        return error.exit_code
    if isinstance(error, OSError) and error.strerror:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, (str, bytes, os.PathLike)) else ""
        refused = isinstance(error, PermissionError)
        remedy = "; run this as root or as SlurmUser" if refused and os.geteuid() != 0 else ""
        _say(f"{where}{error.strerror}{remedy}")
        return PERMISSION if refused else INPUT_OUTPUT
    _say(f"unexpected {type(error).__name__}: {' '.join(str(error).split())} (this is a bug; -v shows where)")
    return BUG


def _say(line: str) -> None:
    try:
        sys.stderr.write(f"slurm-azure: {line}\n")
        sys.stderr.flush()
    except (OSError, ValueError):
        pass  # nobody listens


def _give_up_stdout() -> None:
    """The reader has gone (`| head`): what is still buffered must not fail a second time when Python ends."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
    except (OSError, ValueError):
        pass
