"""slurm_azure.generate.hosts: lines that end a look-up and lead nowhere."""

from __future__ import annotations

import errno
import ipaddress
import socket

import pytest

from slurm_azure.generate.hosts import NOWHERE, hosts_file
from tests.support.configs import a_config

OTHERS = "127.0.0.1\tlocalhost\n# slurm-azure is installed here\n\n10.0.0.4 head head.site # az-1\n"


def test_each_node_has_a_line_and_nothing_else_changes() -> None:
    """What the file says already stays, to the byte; a comment that names a node or us is no line of ours."""
    made = hosts_file(OTHERS, a_config("az-[1-3]"))
    assert made == OTHERS + "".join(f"{NOWHERE} az-{number} # slurm-azure\n" for number in (1, 2, 3))


def test_made_again_it_follows_the_pools() -> None:
    """The same pools give the same file; nodes that have gone lose their line, new ones get one."""
    made = hosts_file(OTHERS, a_config("az-[1-3]"))
    assert hosts_file(made, a_config("az-[1-3]")) == made
    assert hosts_file(made, a_config("az-[3-4]")) == hosts_file(OTHERS, a_config("az-[3-4]"))


def test_none_are_left_where_none_are_needed() -> None:
    """After an upgrade of Slurm the file is as it was before the first time."""
    assert hosts_file(hosts_file(OTHERS, a_config()), a_config(), needed=False) == OTHERS


def test_a_node_that_has_an_address_keeps_it() -> None:
    """Whoever has written a node's real address, as first name or alias, is not contradicted."""
    made = hosts_file("10.1.0.7 vm7 az-2\n", a_config("az-[1-2]"))
    assert made == f"10.1.0.7 vm7 az-2\n{NOWHERE} az-1 # slurm-azure\n"


def test_a_last_line_without_its_end_is_not_joined_with_ours() -> None:
    """Files edited by hand often lack the last newline."""
    assert hosts_file("127.0.0.1 localhost", a_config("az-1")).splitlines()[0] == "127.0.0.1 localhost"


def test_nobody_can_be_reached_at_that_address() -> None:
    """Linux refuses to connect at once and by itself, whatever routes there are: no time is lost and no packet sent."""
    assert ipaddress.ip_address(NOWHERE) in ipaddress.ip_network("233.252.0.0/24")
    with socket.socket() as probe:
        probe.settimeout(5)
        with pytest.raises(OSError) as caught:
            probe.connect((NOWHERE, 6818))
    assert caught.value.errno == errno.ENETUNREACH
