"""Alert rules and dashboards ask for what roles expose, and each rule fires when it should."""

import re

import pytest
import yaml

from interlock.streams.metrics import DEFINITIONS, PREFIX
from tests.clients.toolchain import need, run
from tests.deploy.compose import COMPOSE, ROOT, own_services
from tests.deploy.promql import RULES, expressions, selectors

ALERTS = [rule for group in RULES for rule in group["rules"]]
MAIN = {name for name, service in own_services() if service["command"][0] == "run" and "profiles" not in service}


def test_every_metric_that_is_asked_for_is_one() -> None:
    asked = {selector for expression in expressions() for selector in selectors(expression)}
    known = {PREFIX + name + suffix for name in DEFINITIONS for suffix in ("", "_total", "_bucket")}
    assert len(asked) > 12
    assert {selector.name for selector in asked} <= known
    for selector in asked:
        labels = {"role", "le", *_labels(selector.name)}
        assert {label for label, *_ in selector.matchers} <= labels, selector


def _labels(name: str) -> tuple[str, ...]:
    short = name.removeprefix(PREFIX)
    (labels,) = [
        definition.labels
        for defined, definition in DEFINITIONS.items()
        if short in (defined, f"{defined}_total", f"{defined}_bucket")
    ]
    return labels


def test_an_alert_tells_how_bad_it_is_what_happened_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS) >= 12
    for rule in ALERTS:
        assert rule["labels"]["severity"] in ("critical", "warning"), rule["alert"]
        assert set(rule["annotations"]) == {"summary", "action"}, rule["alert"]
        assert all(text.endswith(".") for text in rule["annotations"].values()), rule["alert"]


def test_a_role_that_must_run_is_missed_when_nobody_finds_it() -> None:
    (missing,) = [rule["expr"] for rule in ALERTS if rule["alert"] == "RoleMissing"]
    assert set(re.findall(r'absent\(up\{job="interlock", role="(\w+)"\}\)', missing)) == MAIN


def test_prometheus_asks_for_every_container_of_every_role_and_for_the_rules() -> None:
    config = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    (job,) = config["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    # An address for each container that runs: no target is listed that the profile leaves out.
    assert sorted(found["names"]) == sorted(name for name, service in own_services() if service["command"][0] == "run")
    assert "static_configs" not in job
    assert str(found["port"]) == COMPOSE["x-interlock"]["environment"]["INTERLOCK_METRICS_PORT"]
    (rule_file,) = config["rule_files"]
    assert (
        f"./deploy/prometheus/{rule_file}:/etc/prometheus/{rule_file}:ro"
        in COMPOSE["services"]["prometheus"]["volumes"]
    )


@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "deploy/prometheus/alerts.yml"),
        ("check", "config", "deploy/prometheus/prometheus.yml"),
        ("test", "rules", "tests/deploy/alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_takes_its_files_and_each_alert_fires_when_it_should(command: tuple[str, ...]) -> None:
    need("promtool")  # of Debian's package prometheus
    assert "SUCCESS" in run(["promtool", *command], ROOT, seconds=60)


def test_each_alert_has_a_case_in_which_it_fires() -> None:
    cases = (ROOT / "tests" / "deploy" / "alerts.test.yml").read_text()
    assert [rule["alert"] for rule in ALERTS if rule["alert"] not in cases] == []
