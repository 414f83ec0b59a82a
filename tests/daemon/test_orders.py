"""Orders of an administrator: durable, carried out once, in their order; what is no order harms nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from slurm_azure.daemon.orders import Order, OrderKind, Orders, give, pauses_after
from slurm_azure.errors import JournalError
from slurm_azure.intake import new_name
from slurm_azure.journal import Journal
from slurm_azure.model import FailureReason, Pause, PoolName, Power
from tests.support.daemons import a_daemon
from tests.support.nodes import NODE, NOW, POOL

SITE_PAUSE = Order(OrderKind.PAUSE, NOW, "root", until=NOW + 3600, reason="network work")
POOL_PAUSE = Order(OrderKind.PAUSE, NOW + 1, "ann", pool=POOL)
GO_ON = Order(OrderKind.RESUME_SERVICE, NOW + 2, "ann")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path / "journal.db")


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    return Orders(tmp_path / "orders")


def give_all(orders: Orders, *given: Order) -> list[str]:
    """Give orders one nanosecond after the other; their ids."""
    return [give(orders.folder, order, n) for n, order in enumerate(given)]


def test_orders_are_carried_out_in_their_order(journal: Journal, orders: Orders) -> None:
    """Site paused, a pool paused, the site's pause taken back: the pool's stands; no file is left."""
    ids = give_all(orders, SITE_PAUSE, POOL_PAUSE, GO_ON)
    assert orders.take_in(journal, NOW + 5) == [SITE_PAUSE, POOL_PAUSE, GO_ON]
    assert journal.pauses() == [Pause(POOL, NOW + 1, None, "ann")]
    assert [journal.order_taken_at(id) for id in ids] == [NOW + 5] * 3
    assert os.listdir(orders.folder) == []


def test_what_holds_in_memory_is_what_the_journal_says(journal: Journal, orders: Orders) -> None:
    """The loop keeps its own copy of the pauses: it comes out the same."""
    given = [SITE_PAUSE, POOL_PAUSE, GO_ON, SITE_PAUSE]
    give_all(orders, *given)
    held = pauses_after({}, orders.take_in(journal, NOW))
    assert held == {pause.pool: pause for pause in journal.pauses()}
    assert set(held) == {None, POOL}


def test_a_crash_before_the_file_is_removed_counts_once(journal: Journal, orders: Orders, tmp_path: Path) -> None:
    """The file is there again after its order was taken in, and taken back meanwhile: it is not carried out anew."""
    (id,) = give_all(orders, SITE_PAUSE)
    data = (orders.folder / f"{id}.order").read_bytes()
    orders.take_in(journal, NOW)
    give(orders.folder, GO_ON, 5)
    orders.take_in(journal, NOW + 1)
    (orders.folder / f"{id}.order").write_bytes(data)
    assert orders.take_in(journal, NOW + 2) == []
    assert journal.pauses() == []
    assert orders.waiting() == []


def test_a_journal_that_cannot_be_written_keeps_the_order(tmp_path: Path, orders: Orders) -> None:
    """Nothing is lost: the file stays for the next round."""
    Journal.open(tmp_path / "journal.db").close()
    give_all(orders, SITE_PAUSE)
    with pytest.raises(JournalError):
        orders.take_in(Journal.open(tmp_path / "journal.db", readonly=True), NOW)
    assert len(orders.waiting()) == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe not json",
        b'{"kind":"pause","at":1.0',
        b'{"kind":"destroy","at":1.0,"by":"x"}',
        b'{"kind":"pause","at":NaN,"by":"x"}',
        b'{"kind":"pause","at":1.0,"by":"x","version":2}',
        b'{"kind":"pause","at":1.0,"by":"x","until":"tomorrow"}',
        b'{"kind":"pause","at":1.0,"by":"x","reason":"two\\nlines"}',
        b'{"kind":"pause","at":1.0,"by":"x","surprise":1}',
        b'{"kind":"pause","at":1.0,"by":"x","reason":"' + b"x" * 100_000 + b'"}',
    ],
)
def test_what_is_no_order_is_set_aside(journal: Journal, orders: Orders, data: bytes) -> None:
    """A file of another form is kept for a person to look at, and the orders beside it are carried out."""
    name = new_name(0)
    (orders.folder / f"{name}.order").write_bytes(data)
    give_all(orders, POOL_PAUSE)
    assert orders.take_in(journal, NOW) == [POOL_PAUSE]
    assert os.listdir(orders.folder) == [f"{name}.unreadable"]


def test_the_daemons_user_can_read_what_root_writes(tmp_path: Path) -> None:
    """As root: folder and file get the owner of what they stand in, and no other user reads them."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(tmp_path, 12345, 12346)
    id = give(tmp_path / "orders", SITE_PAUSE, 1)
    for path, mode in ((tmp_path / "orders", 0o750), (tmp_path / "orders" / f"{id}.order", 0o640)):
        status = path.stat()
        assert (status.st_uid, status.st_gid) == (12345, 12346)
        assert stat.S_IMODE(status.st_mode) & ~mode == 0


def test_half_written_files_are_not_orders(orders: Orders, journal: Journal) -> None:
    """What a crash of the command line left under its hidden name is not taken."""
    (orders.folder / ".0-x.order").write_bytes(b"{}")
    assert orders.take_in(journal, NOW) == []
    assert (orders.folder / ".0-x.order").exists()


def test_a_pool_is_not_the_site(journal: Journal, orders: Orders) -> None:
    """Resuming a pool leaves the site's pause, and the other way round."""
    back = Order(OrderKind.RESUME_SERVICE, NOW, "ann", pool=PoolName("other"))
    give_all(orders, SITE_PAUSE, POOL_PAUSE, back)
    orders.take_in(journal, NOW)
    assert [pause.pool for pause in journal.pauses()] == [None, POOL]


def test_a_pause_holds_in_the_loop_until_it_is_over(tmp_path: Path) -> None:
    """From order to Slurm: a node that is asked for is refused with whose order it is, across a restart; after the pause's end
    it is made."""
    with a_daemon(tmp_path) as daemon:
        daemon.settle(1)
        order = Order(OrderKind.PAUSE, daemon.now, "ann", until=daemon.now + 300, reason="network work")
        give(tmp_path / "orders", order, 1)
        daemon.settle(1)
        daemon.restart()
        daemon.power(Power.WAKING, NODE)
        daemon.hook("resume", NODE)
        daemon.settle(2)
        (launch,) = daemon.launches()
        assert launch.failure is not None
        assert launch.failure.reason is FailureReason.PAUSED
        assert "ann" in launch.failure.detail
        assert "network work" in launch.failure.detail
        assert daemon.cloud.vms == {}
        daemon.power(Power.OFF, NODE)
        daemon.settle(300)
        daemon.power(Power.WAKING, NODE)
        daemon.hook("resume", NODE)
        daemon.settle(5)
        assert [vm.node for vm in daemon.cloud.vms.values()] == [NODE]


def test_service_is_resumed_in_the_loop(tmp_path: Path) -> None:
    """Taken back before its end: the next node that is asked for is made at once."""
    with a_daemon(tmp_path) as daemon:
        give(tmp_path / "orders", Order(OrderKind.PAUSE, daemon.now, "ann"), 1)
        daemon.settle(1)
        give(tmp_path / "orders", Order(OrderKind.RESUME_SERVICE, daemon.now, "ann"), 2)
        daemon.settle(1)
        daemon.power(Power.WAKING, NODE)
        daemon.hook("resume", NODE)
        daemon.settle(5)
        assert [vm.node for vm in daemon.cloud.vms.values()] == [NODE]
