"""The files for Prometheus: promtool accepts them, the alerts do what they say, and they speak of metrics that exist."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from prometheus_client import generate_latest
from ruamel.yaml import YAML

from slurm_azure.config import load_config
from slurm_azure.model import Failure, FailureReason, Offer, PoolName, RequestKind
from slurm_azure.web.metrics import Metrics
from slurm_azure.web.state import BudgetKind, BudgetView, ClusterState, Level
from tests.support.promtool import Unavailable, promtool

TOP = Path(__file__).parents[2]
FOLDER = TOP / "etc/prometheus"
RUNBOOK = TOP / "docs/runbook.md"
HEADINGS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Prevention"]

pytestmark = pytest.mark.timeout(300)  # promtool may have to be fetched first


def load(name: str) -> Any:
    """A YAML file of etc/prometheus."""
    return YAML(typ="safe", pure=True).load(FOLDER / name)


ALERTS: list[dict[str, Any]] = load("slurm_azure.alerts.yml")["groups"][0]["rules"]
TESTS: list[dict[str, Any]] = load("slurm_azure_test.yml")["tests"]


def a_scrape() -> bytes:
    """What /metrics gives with every kind of series in it."""
    metrics = Metrics("0.1.0", ["hb", "hc"])
    budgets = [BudgetView(Level.SITE, "", kind, 1, 2) for kind in BudgetKind]
    metrics.show(ClusterState(budgets=budgets, cold={(PoolName("hb"), Offer("X")): True}))
    metrics.count_request(RequestKind.RESUME, 5)
    metrics.count_failure("hb", Failure(FailureReason.QUOTA, ""))
    metrics.observe_boot([("mounts", 1.0)])
    metrics.observe_stage("hb", "total", 61.0)
    metrics.tick_done(0.1, 1.0)
    return generate_latest(metrics.registry)


def known_series() -> dict[str, set[str]]:
    """Each series name of a scrape and its labels."""
    found: dict[str, set[str]] = {"up": {"job"}}
    for line in a_scrape().decode().splitlines():
        match = re.match(r"(\w+)(?:\{(.*)\})? ", line)
        if match and not line.startswith("#"):
            found.setdefault(match[1], {"job"}).update(re.findall(r'(\w+)="', match[2] or ""))
    return found


def selectors(expression: Any) -> Iterator[Any]:
    """The vector selectors of a PromQL expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
        return
    parts = [getattr(expression, name, None) for name in ("lhs", "rhs", "expr", "vector_selector")]
    for part in [*parts, *(getattr(expression, "args", None) or [])]:
        if part is not None:
            yield from selectors(part)


def run(*arguments: str, data: bytes = b"") -> str:
    """Run promtool in etc/prometheus; its output. Fails if it complains."""
    try:
        program = promtool()
    except Unavailable as error:
        pytest.skip(str(error))
    done = subprocess.run([program, *arguments], cwd=FOLDER, input=data, capture_output=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_rules_are_rules() -> None:
    """`promtool check rules` takes all alerts, with every check of its own."""
    assert f"SUCCESS: {len(ALERTS)} rules found" in run("check", "rules", "--lint=all", "slurm_azure.alerts.yml")


def test_alerts_fire_and_are_silent_as_written() -> None:
    """`promtool test rules`: every case of slurm_azure_test.yml holds."""
    assert "SUCCESS" in run("test", "rules", "slurm_azure_test.yml")


@pytest.mark.parametrize("name", [alert["alert"] for alert in ALERTS])
def test_every_alert_has_a_firing_and_a_silent_case(name: str) -> None:
    """An alert without a test is a guess: each is seen firing, silent just before, and silent in a case beside it."""
    cases = [
        (bool(check["exp_alerts"]), test["name"])
        for test in TESTS
        for check in test["alert_rule_test"]
        if check["alertname"] == name
    ]
    assert any(fires for fires, _ in cases)
    assert any(not fires and test.endswith("silent") for fires, test in cases)


def test_scrape_configuration() -> None:
    """`promtool check config` takes it, and it looks where the daemon listens unless told otherwise."""
    run("check", "config", "slurm_azure.scrape.yml")
    job = load("slurm_azure.scrape.yml")["scrape_configs"][0]
    default = load_config(TOP / "etc/slurm-azure.yaml").metrics.listen
    assert job["static_configs"][0]["targets"] == [default]
    assert all(f'job="{job["job_name"]}"' in alert["expr"] for alert in ALERTS if "up{" in alert["expr"])


def test_our_metrics_keep_prometheus_naming_rules() -> None:
    """`promtool check metrics` has nothing to say about a scrape."""
    assert run("check", "metrics", data=a_scrape()) == ""


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_alerts_speak_of_what_exists(alert: dict[str, Any]) -> None:
    """Every metric of the expression is in a scrape, with the labels it is selected by."""
    series = known_series()
    found = list(selectors(promql_parser.parse(alert["expr"])))
    assert found
    for selector in found:
        assert selector.name in series
        assert {matcher.name for matcher in selector.matchers.matchers} <= series[selector.name]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_label_values_in_alerts_exist(alert: dict[str, Any]) -> None:
    """A reason or outcome that an alert selects is one we count: a typing error would silence it for ever."""
    scrape = a_scrape().decode()
    for selector in selectors(promql_parser.parse(alert["expr"])):
        for matcher in selector.matchers.matchers:
            if matcher.name != "job":
                for value in matcher.value.split("|"):
                    assert f'{matcher.name}="{value}"' in scrape


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: str(alert["alert"]))
def test_alerts_say_what_is_needed(alert: dict[str, Any]) -> None:
    """Severity, a summary that is a sentence, a description, and a link to its own section of the runbook."""
    assert alert["alert"].startswith("SlurmAzure")
    assert alert["labels"]["severity"] in {"critical", "warning"}
    notes = alert["annotations"]
    assert re.fullmatch(r"[A-Z][^{}]*\.", notes["summary"])
    assert len(notes["description"]) > len("a word or two")
    assert notes["runbook_url"].endswith(f"/runbook.md#{alert['alert'].lower()}")


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    """The headings of the runbook are the alerts, in their order, so the links have somewhere to lead to."""
    titles = re.findall(r"^## (.+)$", RUNBOOK.read_text(), flags=re.MULTILINE)
    assert titles == [alert["alert"] for alert in ALERTS]


def test_the_runbook_explains_every_reason() -> None:
    """A person who reads a reason in `sinfo -R` finds it there, each once, and none that does not exist."""
    _, _, text = RUNBOOK.read_text().partition("\n# Failure reasons\n")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, flags=re.MULTILINE) == list(FailureReason)


@pytest.mark.parametrize("section", RUNBOOK.read_text().split("\n## ")[1:], ids=lambda text: text.splitlines()[0])
def test_runbook_sections_are_complete(section: str) -> None:
    """Meaning, impact, diagnosis, mitigation and prevention, in this order."""
    assert re.findall(r"^\*\*(\w+)\.\*\*", section, flags=re.MULTILINE) == HEADINGS
