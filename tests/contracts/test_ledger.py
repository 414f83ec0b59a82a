"""The ledger: what a simulated Azure did wrong fails the test that saw it, and the end of a run says what was judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from slurm_azure.simulator.call import Call, Fate, Reply
from tests.contracts import specifications
from tests.contracts.ledger import Ledger, Page
from tests.contracts.openapi import Exchange
from tests.support import exchanges
from tests.support.witness import Witness

pytestmark = pytest.mark.skipif(not specifications.available(), reason=specifications.ABSENT)


def seen(exchange: Exchange, fate: Fate = Fate.SENT, **request: Any) -> Ledger:
    """A ledger after one exchange has gone through a simulator's door."""
    book = Ledger()
    witness = Witness(book=book, **request)
    body = b"" if exchange["body"] is None else json.dumps(exchange["body"]).encode()
    call = Call(
        exchange["method"], exchange["path"], exchange["query"], exchange["headers"], body, "https://a", "a", "127.0.0.1"
    )
    witness.add(call, Reply(exchange["status"], exchange["reply"], exchange["reply_headers"], fate=fate))
    witness.tell()
    return book


def test_a_good_exchange_is_counted() -> None:
    """One exchange, one operation, nothing wrong."""
    assert seen(exchanges.a_create()).summary() == ["contracts: 1 exchanges judged, 1 operations, 0 problems; not judged: none"]


def test_a_wrong_answer_fails_the_test() -> None:
    """Operation, place and what is wrong there are in the message."""
    bad = exchanges.a_create()
    bad["reply"]["properties"]["priority"] = "Sometimes"
    with pytest.raises(AssertionError, match=r"VirtualMachines_CreateOrUpdate: .*/properties/priority: .*is not one of"):
        seen(bad)


def test_a_wrong_request_of_the_sdk_fails_the_test() -> None:
    """Unless the test says that the SDK was made to send it."""
    bad = exchanges.a_create()
    bad["body"]["unheardOf"] = 1
    with pytest.raises(AssertionError, match=r"request body: .*unheardOf"):
        seen(bad)
    assert seen(bad, requests=False).problems == 0


def test_a_wrong_request_by_hand_is_a_tests_own_business() -> None:
    """What does not call itself the SDK or the product is not judged; the answer to it is."""
    bad = exchanges.a_create() | {"headers": {}, "body": {"unheardOf": 1}}
    assert seen(bad).problems == 0
    with pytest.raises(AssertionError, match="is a required property"):
        seen(bad | {"reply": {}})


def test_an_answer_that_never_arrives_is_not_judged() -> None:
    """A fault took it: nobody saw it."""
    assert seen(exchanges.a_create() | {"reply": {}}, fate=Fate.LOST).judged == 0


def test_a_record_is_judged_line_by_line(tmp_path: Path) -> None:
    """What a simulator wrote with --record, whole or cut off in its last line by kill -9."""
    file = tmp_path / "record"
    good, bad = json.dumps(exchanges.a_list()), json.dumps(exchanges.a_list() | {"status": 202})
    file.write_text(f"{good}\n{good}\n{good[:50]}")
    book = Ledger()
    book.close_file(file, "a test")
    assert book.judged == 2
    file.write_text(f"{good}\n{bad}\n")
    with pytest.raises(AssertionError, match="202 is not one of"):
        book.close_file(file, "a test")


def test_ledgers_of_several_processes_are_one() -> None:
    """pytest-xdist: the sum of the counts, once each operation."""
    sum_of_all = Ledger()
    for exchange in (exchanges.a_create(), exchanges.a_list(), exchanges.an_exchange("GET", "/metadata/instance", 200)):
        one = Ledger()
        page = Page("tests/simulator/test_x.py::test_y (call)")
        page.add(exchange)
        one.close(page)
        sum_of_all.add(json.loads(json.dumps(one.as_json())))
    assert sum_of_all.summary() == ["contracts: 2 exchanges judged, 2 operations, 0 problems; not judged: instance metadata 1"]
    assert sum_of_all.exchanged >= {"VirtualMachines_CreateOrUpdate", "VirtualMachines_List"}


def test_what_was_sent_though_read_only_is_said() -> None:
    """It harms nobody, and shows that the sender has misunderstood something."""
    create = exchanges.a_create()
    create["body"]["id"] = exchanges.VM
    assert "sent though read-only: VirtualMachines_CreateOrUpdate: /id: not to be there 1" in seen(create).summary()[1]


def test_without_the_files_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is judged, and nobody is led to believe that it was."""
    monkeypatch.setattr(specifications, "SPECIFICATION", Path("/nowhere"))
    book = seen(exchanges.a_create() | {"reply": {}})
    assert book.judged == 0
    assert book.summary() == [f"contracts: {specifications.ABSENT}"]
