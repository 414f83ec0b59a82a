"""Which operation a path means."""

from __future__ import annotations

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.routes import Route, Router


def nothing(_: Call) -> Reply:
    return Reply(200)


ROUTER = Router(
    [
        Route("GET", "/subscriptions/{subscriptionId}/vms", "List", "", nothing),
        Route("GET", "/subscriptions/{subscriptionId}/vms/{name}", "Get", "", nothing),
        Route("PUT", "/subscriptions/{subscriptionId}/vms/{name}", "Put", "", nothing),
    ]
)


def test_literals_match_in_any_case_and_values_keep_theirs() -> None:
    """Azure compares ids without regard to case and shows them as they were written."""
    match = ROUTER.match("PUT", "/SUBSCRIPTIONS/AbC/Vms/Node-1")
    assert match is not None
    assert match.route is not None
    assert (match.route.operation, match.parameters) == ("Put", {"subscriptionId": "AbC", "name": "Node-1"})


def test_a_path_without_the_method_is_told_apart_from_no_path() -> None:
    """405 and 404 are different answers."""
    known = ROUTER.match("DELETE", "/subscriptions/s/vms")
    assert known is not None
    assert known.route is None
    assert ROUTER.match("GET", "/subscriptions/s/other") is None
    assert ROUTER.match("GET", "/subscriptions/s") is None
    assert ROUTER.match("GET", "/subscriptions/s/vms/a/b") is None
