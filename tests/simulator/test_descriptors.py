"""When there are no more file descriptors, that is said once, and clients wait."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import subprocess
import sys

import pytest

from slurm_azure.simulator.descriptors import complain_briefly


def test_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Of a thousand failures of accept in a moment one line is left, without a traceback; other errors are told as ever."""
    loop = asyncio.new_event_loop()
    try:
        handle = complain_briefly()
        with caplog.at_level(logging.INFO):
            for _ in range(1000):
                handle(loop, {"message": "accept", "exception": OSError(errno.EMFILE, os.strerror(errno.EMFILE))})
            (record,) = caplog.records
            assert "no more file descriptors" in record.getMessage()
            assert record.exc_info is None
            handle(loop, {"message": "another mistake", "exception": OSError(errno.EIO, "x")})
            assert "another mistake" in caplog.records[-1].getMessage()
    finally:
        loop.close()


def test_the_limit_is_raised_as_far_as_it_may_be() -> None:
    """The soft limit becomes the hard one."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    code = "import resource; from slurm_azure.simulator.descriptors import raise_limit; raise_limit()"
    code += "; print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    limited = f"ulimit -S -n 100; exec {sys.executable} -c '{code}'"
    done = subprocess.run(["sh", "-c", limited], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == str((hard, hard))
