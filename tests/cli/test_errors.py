"""Every exception ends as readable lines and the exit code that docs/commands.md promises."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from slurm_azure.cli.errors import guard
from slurm_azure.errors import (
    ConfigError,
    ConfigForbidden,
    CredentialRefused,
    JournalError,
    PreflightError,
    RenderError,
    SchedulerUnreachable,
    UsageError,
)

AS_WHOM = "" if os.geteuid() == 0 else "; run this as root or as SlurmUser"


def raising(error: BaseException) -> Callable[[], int]:
    """Work that ends with `error`."""

    def work() -> int:
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (UsageError("what: why"), 2, "slurm-azure: what: why\n"),
        (
            ConfigError("f.yaml", ["line 1: a", "line 2: b"]),
            78,
            "slurm-azure: f.yaml: line 1: a\nslurm-azure: f.yaml: line 2: b\n",
        ),
        (ConfigForbidden("/etc/x", ["not for this user"]), 77, "slurm-azure: /etc/x: not for this user\n"),
        (RenderError("t"), 78, "slurm-azure: t\n"),
        (JournalError("j"), 74, "slurm-azure: j\n"),
        (PreflightError("p"), 69, "slurm-azure: p\n"),
        (SchedulerUnreachable("s"), 69, "slurm-azure: s\n"),
        (CredentialRefused("c"), 77, "slurm-azure: c\n"),
        (PermissionError(13, "Permission denied", "/etc/x"), 77, f"slurm-azure: /etc/x: Permission denied{AS_WHOM}\n"),
        (OSError(28, "No space left on device", "/etc/x"), 74, "slurm-azure: /etc/x: No space left on device\n"),
        (KeyboardInterrupt(), 130, ""),
        (
            ValueError("two\nlines"),
            70,
            "slurm-azure: unexpected ValueError: two lines (this is a bug; -v shows where)\n",
        ),
    ],
)
def test_lines_and_code(error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line for each mistake, on stderr, and nothing on stdout; never a traceback."""
    assert guard(raising(error)) == code
    assert capsys.readouterr() == ("", said)


def test_verbose_shows_where(capsys: pytest.CaptureFixture[str]) -> None:
    """With -v the traceback comes before the line."""
    assert guard(raising(ValueError("x")), verbose=True) == 70
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("(this is a bug; -v shows where)\n")


def test_success_is_passed_on() -> None:
    """The command's own exit code is the exit code."""
    assert guard(lambda: 0) == 0
    assert guard(lambda: 1) == 1
