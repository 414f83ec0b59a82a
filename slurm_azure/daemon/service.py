"""slurm-azured, the process: command line, log, lock, signals, systemd; and putting the parts together."""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from types import FrameType

from slurm_azure import __version__
from slurm_azure.azure.cloud import Cloud
from slurm_azure.config import DEFAULT_FILE, DEFAULT_RUN, DEFAULT_STATE, Config, load_config
from slurm_azure.daemon.assemble import Parts, assemble, make_cloud, make_scheduler, settings_of
from slurm_azure.daemon.notify import notify, notify_reloading, watchdog_interval
from slurm_azure.errors import ConfigError, PreflightError, SlurmAzureError

log = logging.getLogger("slurm_azure.daemon")

STOP_WITHIN = 8.0  # seconds for calls under way to end after SIGTERM; systemd and people expect an end within 10


def main(arguments: list[str] | None = None) -> int:
    """Run the daemon until SIGTERM or SIGINT. Returns the exit code; mistakes are one line each on stderr."""
    options = _parser().parse_args(arguments)
    start_logging(options.verbose)
    try:
        return Service(options.config, options.state, options.run).run()
    except SlurmAzureError as error:
        for line in str(error).splitlines():
            log.critical("%s", line)
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("slurm-azured", description="Keeps Azure VMs and Slurm's cloud nodes in agreement.")
    parser.add_argument("--config", type=Path, default=Path(os.environ.get("SLURM_AZURE_CONFIG", DEFAULT_FILE)), metavar="FILE")
    parser.add_argument(
        "--state", type=Path, default=DEFAULT_STATE, metavar="DIR", help="journal and spool (default %(default)s)"
    )
    parser.add_argument("--run", type=Path, default=DEFAULT_RUN, metavar="DIR", help="the wake-up FIFO (default %(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true", help="log every call")
    parser.add_argument("--version", action="version", version=f"slurm-azured {__version__}")
    return parser


class _JournaldFormatter(logging.Formatter):
    """`<N>` in front gives each line its priority in the systemd journal (man sd-daemon); on a terminal there is none."""

    def format(self, record: logging.LogRecord) -> str:
        level = {logging.CRITICAL: 2, logging.ERROR: 3, logging.WARNING: 4, logging.INFO: 6}.get(record.levelno, 7)
        prefix = f"<{level}>" if os.environ.get("JOURNAL_STREAM") else ""
        return prefix + super().format(record).replace("\n", "\\n")


def start_logging(verbose: bool) -> None:
    """Log to stderr, where systemd takes it from. Azure's own libraries only tell warnings: they would log headers."""
    handler = logging.StreamHandler()
    stamp = "" if os.environ.get("JOURNAL_STREAM") else "%(asctime)s "
    handler.setFormatter(_JournaldFormatter(f"{stamp}%(levelname).1s %(message)s"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    for noisy in ("azure", "msal", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # An answer that is no JSON: the SDK warns with a traceback, the seam tells what it means.
    logging.getLogger("azure.mgmt").setLevel(logging.ERROR)


class Service:
    """One daemon process."""

    def __init__(self, config_file: Path, state: Path, run: Path) -> None:
        self.config_file, self.state, self.run_folder = config_file, state, run
        self.stopping = self.reloading = False
        self.retired: list[Cloud] = []

    def run(self) -> int:
        """Start, serve, stop."""
        config = load_config(self.config_file)
        os.umask(0o027)
        lock = self._lock()
        parts = assemble(config, self.state, self.run_folder, lambda: secrets.token_hex(4))
        try:
            self._listen_to_signals(parts)
            log.info(
                "slurm-azured %s serves cluster %s: %d nodes",
                __version__,
                config.cluster,
                len(parts.loop.world.pool_of),
            )
            parts.metrics.reload_done(True, time.time())
            notify("READY=1", f"STATUS={len(parts.loop.world.pool_of)} nodes")
            self._serve(parts)
            self._stop(parts)
        finally:
            parts.close()
            os.close(lock)
        return 0

    def _serve(self, parts: Parts) -> None:
        watchdog = watchdog_interval()
        while not self.stopping:
            if self.reloading:
                self.reloading = False
                self._reload(parts)
            wait = self._turn(parts)
            if self.retired and not parts.calls.busy():
                self.retired.pop().close()
            if watchdog is not None:
                notify("WATCHDOG=1")
                wait = min(wait, watchdog)
            if not self.stopping:
                parts.bell.wait(min(wait, 5.0))

    def _turn(self, parts: Parts) -> float:
        """One turn; a fault of ours in it is logged whole, and does not stop the nodes it is not about."""
        try:
            return parts.loop.turn()
        except Exception:
            log.exception("a turn of the loop has failed; the next one follows in 5 s")
            parts.metrics.tick_failed()
            return 5.0

    def _stop(self, parts: Parts) -> None:
        """Start nothing more; let calls under way end, and record how they ended."""
        notify("STOPPING=1")
        until = time.monotonic() + STOP_WITHIN
        while parts.calls.busy() and time.monotonic() < until:
            parts.bell.wait(0.2)
            parts.loop.record_only()
        parts.loop.record_only()
        log.info("stopped; %s", "calls under way were left" if parts.calls.busy() else "nothing is under way")

    def _reload(self, parts: Parts) -> None:
        notify_reloading()
        try:
            config: Config = load_config(self.config_file)
            # All of it is made before any of it counts: the old goes on whole if there is a mistake in the new.
            settings, scheduler, cloud = settings_of(config), make_scheduler(config), make_cloud(config, parts.limits)
            self.retired.append(parts.actor.cloud)
            parts.loop.reload(settings)
            parts.actor.use(cloud, scheduler)
            parts.metrics.set_pools(config.pools)
        except SlurmAzureError as error:
            log.error("the configuration stays as it was; the new one has mistakes:")
            for line in error.mistakes if isinstance(error, ConfigError) else [str(error)]:
                log.error("%s", line)
            parts.metrics.reload_done(False, time.time())
        else:
            log.info("configuration reloaded")
            parts.metrics.reload_done(True, time.time())
        notify("READY=1")

    def _listen_to_signals(self, parts: Parts) -> None:
        def stop(_signal: int, _frame: FrameType | None) -> None:
            self.stopping = True

        def reload(_signal: int, _frame: FrameType | None) -> None:
            self.reloading = True

        signal.set_wakeup_fd(parts.bell.fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, reload)

    def _lock(self) -> int:
        """One daemon a state folder: two would make two VMs of one request. Raises PreflightError."""
        self.state.mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = os.open(self.state / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise PreflightError(f"another slurm-azured already serves {self.state}") from None
        return lock


if __name__ == "__main__":
    sys.exit(main())
