"""`slurm-azure render NODE`: the user data a node gets, exactly as Azure would get it."""

from __future__ import annotations

import argparse
import sys

from slurm_azure.cli.context import Context
from slurm_azure.cli.nodes import pool_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `render`."""
    parser.add_argument("node", metavar="NODE", help="a node of one of the pools")


def run(options: argparse.Namespace, context: Context) -> int:
    """Print the user data, to the byte."""
    from slurm_azure.boot.user_data import UserData

    config = context.config()
    pool = pool_of(config, options.node)
    sys.stdout.write(UserData(config).render(options.node, pool))
    return 0
