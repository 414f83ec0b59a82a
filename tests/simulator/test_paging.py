"""Pages of lists: the link to the next one, and what is seen while things come and go."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.call import Call
from slurm_azure.simulator.refusal import Refusal


@dataclass(frozen=True)
class Item:
    """One line of a list."""

    sequence: int


def a_call(query: dict[str, str], path: str = "/subscriptions/s/resourceGroups/g/things") -> Call:
    return Call("GET", path, query, {}, b"", "https://127.0.0.1:1", "127.0.0.1", "127.0.0.1")


def followed(link: str) -> Call:
    """The call that a client makes of a nextLink."""
    return a_call({name: values[0] for name, values in parse_qs(urlsplit(link).query, keep_blank_values=True).items()})


@given(
    st.integers(1, 7),
    st.sets(st.integers(1, 60), max_size=40),
    st.lists(st.tuples(st.sets(st.integers(1, 60)), st.integers(0, 5)), max_size=12),
)
def test_what_is_there_all_along_is_seen_once(size: int, at_first: set[int], changes: list[tuple[set[int], int]]) -> None:
    """Whatever is deleted or made between two pages: nothing is seen twice, and what stays is seen."""
    there, next_one, seen = set(at_first), 61, list[int]()
    call, steps = a_call({"api-version": "v"}), iter(changes)
    while True:
        body = page(call, [Item(n) for n in sorted(there)], lambda item: item.sequence, lambda item: item.sequence, size).body
        seen += body["value"]
        assert len(body["value"]) <= size
        if "nextLink" not in body:
            break
        call = followed(body["nextLink"])
        gone, made = next(steps, (set[int](), 0))
        there -= gone
        there |= set(range(next_one, next_one + made))
        next_one += made
    assert len(seen) == len(set(seen))
    assert at_first & there <= set(seen)


def test_the_link_keeps_what_was_asked() -> None:
    """api-version, filter and flags stay, whatever is in them; the path is one that a client can send."""
    query = {"api-version": "2024-07-01", "$filter": "'a/id' eq '/x&y=z'", "statusOnly": "true", "empty": ""}
    call = a_call(query, "/subscriptions/s/resourceGroups/größe (1)/things")
    link = page(call, [Item(1), Item(2)], lambda item: item.sequence, str, 1).body["nextLink"]
    again = followed(link)
    assert {name: value for name, value in again.query.items() if name != "$skiptoken"} == query
    assert link.isascii()
    assert " " not in link


def test_a_full_last_page_has_no_link() -> None:
    """A list that ends with its page says so."""
    assert "nextLink" not in page(a_call({}), [Item(1), Item(2)], lambda item: item.sequence, str, 2).body


@pytest.mark.parametrize("token", ["", "x", "YWZ0ZXI6eA==", "ä", "YQ", "9" * 5000])
def test_a_token_that_is_none_of_ours(token: str) -> None:
    """400, and no list from the beginning."""
    with pytest.raises(Refusal) as refused:
        page(a_call({"$skiptoken": token}), [Item(1)], lambda item: item.sequence, str, 1)
    assert (refused.value.status, refused.value.code) == (400, "InvalidSkipToken")
