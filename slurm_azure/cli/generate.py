"""`slurm-azure generate`: Slurm's part of the configuration."""

from __future__ import annotations

import argparse
import errno
import os
import tempfile
from pathlib import Path

from slurm_azure.cli import release
from slurm_azure.cli.context import Context
from slurm_azure.cli.files import hooks_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `generate`."""
    parser.add_argument("--write", metavar="DIR", type=Path, help="write azure-burst.conf into DIR (mostly /etc/slurm)")
    text = "make FILE (mostly /etc/hosts) hold a line for each node, if the release needs it"
    parser.add_argument("--hosts", metavar="FILE", type=Path, help=text)
    release.add_argument(parser)


def run(options: argparse.Namespace, context: Context) -> int:
    """Write or print azure-burst.conf; print what must stand in slurm.conf and gres.conf. Doubts go to stderr."""
    from slurm_azure.azure.catalog import Catalog
    from slurm_azure.generate.advice import INCLUDE_FILE
    from slurm_azure.generate.hosts import hosts_file
    from slurm_azure.generate.slurm import generate
    from slurm_azure.slurm.versions import traits

    config = context.config()
    slurm = release.release_of(options, context, config)
    made = generate(config, Catalog.load(), slurm, hooks_folder(), str(context.config_file))
    for doubt in made.doubts:
        context.remark(f"doubtful: {doubt}")
    if options.write is None:
        context.say(f"# ---- {INCLUDE_FILE}\n{made.include}\n# ---- slurm.conf")
    else:
        file = options.write / INCLUDE_FILE
        _write(context, file, made.include)
    if options.hosts is not None:
        file = options.hosts.resolve()
        _write(context, file, hosts_file(_read(file), config, needed=traits(slurm).kills_by_name))
    context.say(made.slurm_conf.rstrip("\n"))
    if made.gres_conf:
        # Commented out: whoever takes the lines above into slurm.conf must not take these along.
        lines = "\n".join(f"#{line}" for line in made.gres_conf.splitlines())
        context.say(f"\n# ---- gres.conf (these lines, without the leading '#')\n{lines}")
    return 0


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "is no text in UTF-8", str(file)) from None


def _write(context: Context, file: Path, text: str) -> None:
    context.remark(f"{file} " + ("written" if write_if_changed(file, text) else "is as it should be already"))


def write_if_changed(file: Path, text: str) -> bool:
    """Make `file` hold `text`, with mode 0644, at once or not at all; False if it did already. Raises OSError."""
    try:
        if file.read_text("utf-8") == text:
            return False
    except (FileNotFoundError, UnicodeDecodeError):
        pass
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=file.parent, prefix=f".{file.name}.", delete=False
        ) as draft:
            try:
                draft.write(text)
                draft.flush()
                os.fchmod(draft.fileno(), 0o644)
                os.fsync(draft.fileno())
                os.replace(draft.name, file)
            except BaseException:
                os.unlink(draft.name)
                raise
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(file)) from None  # the draft's name says nothing to anybody
    return True
