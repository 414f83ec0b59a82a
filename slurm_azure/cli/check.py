"""`slurm-azure check`: tries everything that can be tried without Azure, and says what to do about what it finds."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from slurm_azure.cli import release
from slurm_azure.cli.context import Context
from slurm_azure.cli.files import check_credential, check_hooks, check_state, hooks_folder
from slurm_azure.cli.findings import Finding, Level, Mistake, fail, mistake, ok, warn
from slurm_azure.config import Config
from slurm_azure.errors import ConfigError, PreflightError, RenderError
from slurm_azure.hostlist import expand
from slurm_azure.slurm.versions import Release

ASSUMED: Release = (26, 5)
"""The release that is reckoned with where none is installed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `check`."""
    parser.add_argument("--json", action="store_true", help="as JSON")
    release.add_argument(parser)


def run(options: argparse.Namespace, context: Context) -> int:
    """Print the findings; 0 if nothing fails, 78 if the configuration asks for what will not work, 1 if something else fails.

    Raises ConfigError (exit 78) with all its mistakes.
    """
    config = context.config()
    findings = [ok("configuration", f"{context.config_file} has no mistakes"), *_all(options, context, config)]
    if options.json:
        context.say_json({"findings": [asdict(one) for one in findings]})
    else:
        shown = [one for one in findings if not (context.quiet and one.level is Level.OK)]
        for one in shown:
            context.say(str(one))
    if any(isinstance(one, Mistake) for one in findings):
        return ConfigError.exit_code
    return 1 if any(one.level is Level.FAIL for one in findings) else 0


def _all(options: argparse.Namespace, context: Context, config: Config) -> Iterator[Finding]:
    yield from _templates(config)
    yield from _slurm(options, context, config)
    yield from check_hooks(hooks_folder(), context.state / "spool")
    yield from check_state(context.state, Path(config.slurm.conf_dir) / "slurm.conf")
    yield from check_credential(config, context.state)


def _templates(config: Config) -> Iterator[Finding]:
    """One node of each pool is rendered: the longest name, since user data has a limit."""
    from slurm_azure.boot.user_data import LIMIT, UserData

    try:
        user_data = UserData(config)
    except RenderError as error:
        yield fail("user data", str(error), "correct the template, or reinstall slurm-azure")
        return
    for name, pool in config.pools.items():
        node = max(expand(pool.nodes), key=len)
        try:
            size = len(user_data.render(node, name).encode())
        except RenderError as error:
            yield fail(f"pools.{name}", str(error), "slurm-azure render NODE shows what the others get")
        else:
            yield ok(f"pools.{name}", f"user data of {node} renders, {size} of {LIMIT} bytes")


def _slurm(options: argparse.Namespace, context: Context, config: Config) -> Iterator[Finding]:
    """The generated lines against the VM sizes, and what Slurm has been told against the generated lines."""
    from slurm_azure.azure.catalog import Catalog
    from slurm_azure.cli.names import check_names
    from slurm_azure.cli.slurm_conf import check_include, check_slurm_conf
    from slurm_azure.generate.doubts import find_doubts
    from slurm_azure.generate.slurm import generate
    from slurm_azure.slurm.versions import traits

    try:
        slurm = release.release_of(options, context, config)
    except PreflightError as error:
        slurm = ASSUMED
        yield warn("Slurm", str(error), f"{slurm[0]}.{slurm[1]:02} is assumed")
    else:
        yield ok("Slurm", f"release {slurm[0]}.{slurm[1]:02}")
    catalog = Catalog.load()
    doubts = find_doubts(config, catalog, traits(slurm))
    for doubt in doubts:
        yield mistake(doubt.about, doubt.text) if doubt.grave else warn(doubt.about, doubt.text)
    if any(doubt.grave for doubt in doubts):
        return
    yield ok("node lines", "fit what is known of the VM sizes")
    made = generate(config, catalog, slurm, hooks_folder(), str(context.config_file))
    yield check_include(Path(config.slurm.conf_dir), made.include)
    slurm_conf = Path(config.slurm.conf_dir) / "slurm.conf"
    yield from check_slurm_conf(slurm_conf, made.slurm_conf)
    if traits(slurm).kills_by_name:
        yield from check_names(config, slurm_conf)
