"""`python -m slurm_azure.demo`: run the demonstration, or work with a site that was left running."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from slurm_azure.demo import installation, rootfs, sandbox
from slurm_azure.demo.preflight import check_machine
from slurm_azure.demo.site import Site
from slurm_azure.demo.story import Demo
from slurm_azure.errors import PreflightError, SlurmAzureError

_PROGRAM = "python -m slurm_azure.demo"
_USAGE = """
The site is left running; it uses no file of this machine but the cache folder.
  make shell                                  a shell on the head node, where these are:
    sinfo; squeue; sbatch ...                 Slurm, as on any head node (users: root, alice)
    slurm-azure status; slurm-azure why NODE  what the cloud does
    service kill|start slurm-azured           the daemon
  make demo-stop                              end it; nothing is left
"""


def main() -> int:
    """Parse the command line and do it. Returns the exit code."""
    options = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop)
    try:
        return int(options.run(options) or 0)
    except SlurmAzureError as error:
        sys.stderr.write(f"slurm-azure: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nslurm-azure: stopped; the site is gone\n")
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_PROGRAM, description="A site in miniature, and an animation rendered on it.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="the whole demonstration")
    run.add_argument("--keep", action="store_true", help="leave the site running at the end")
    run.add_argument("--output", type=Path, default=Path("demo-output"), help="where the pictures go [%(default)s]")
    run.set_defaults(run=_run)
    commands.add_parser("prepare", help="build what is cached, and no more").set_defaults(run=_prepare)
    execute = commands.add_parser("exec", help="run a command on the head node of the site that was left running")
    execute.add_argument("--user", default="root", help="as this user [root]")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="and its arguments")
    execute.set_defaults(run=_exec)
    commands.add_parser("stop", help="end the site that was left running").set_defaults(run=lambda _: _end())
    return parser


def _run(options: argparse.Namespace) -> None:
    check_machine()
    if options.keep and Site.running():
        raise PreflightError("a site is running already: end it with `make demo-stop`")
    if not options.keep:
        sandbox.end_with_parent()
    began = time.monotonic()
    site = Site(detached=options.keep)
    print("Starting a site: slurmctld, munge, NFS, a simulated Azure, slurm-azured ...", flush=True)
    site.start()
    try:
        print(f"The site is up, {time.monotonic() - began:.0f} s after the start.", flush=True)
        Demo(site, options.output.resolve(), say=_say).run()
    except BaseException:
        site.stop()
        raise
    print(f"All of it took {time.monotonic() - began:.0f} s.")
    if options.keep:
        print(_USAGE)
    else:
        site.stop()


def _prepare(_: argparse.Namespace) -> None:
    check_machine()
    installation.layers(rootfs.root_file_system())


def _exec(options: argparse.Namespace) -> None:
    site = Site.running()
    if site is None:
        raise PreflightError("no site is running: start one with `make demo KEEP=1`")
    words = options.command[1:] if options.command[:1] == ["--"] else options.command
    argv = site.head.argv(words or ["bash"], options.user)
    os.execvp(argv[0], argv)


def _end() -> None:
    site = Site.running()
    if site is None:
        raise PreflightError("no site is running")
    site.stop()
    print("The site is gone.")


def _say(line: str) -> None:
    print(line, flush=True)


def _stop(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
