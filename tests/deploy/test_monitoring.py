# SPDX-License-Identifier: Apache-2.0
"""Rules, scraping and dashboard: Prometheus' own tool accepts them, and they name what the real server exports."""

import json
import re
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deploy.chart import render
from vcf_contract.contract import ENSEMBLES, MODELS, STUDY_SCORE

if TYPE_CHECKING:
    from vcf_server.server import TritonServer

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
CHART_FILES = ROOT / "deploy" / "helm" / "vcf-triton" / "files"
RULES = yaml.safe_load((CHART_FILES / "rules.yml").read_text())
TESTS = yaml.safe_load((Path(__file__).parent / "rules_test.yml").read_text())
DASHBOARD = json.loads((CHART_FILES / "dashboard.json").read_text())
ADAPTER = yaml.safe_load((MONITORING / "prometheus-adapter.yml").read_text())["rules"]

ALL_RULES = [rule for group in RULES["groups"] for rule in group["rules"]]
RECORDED = {rule["record"] for rule in ALL_RULES if "record" in rule}
ALERTS = {rule["alert"]: rule for rule in ALL_RULES if "alert" in rule}
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"]}
QUERIES = [target["expr"] for panel in PANELS.values() for target in panel["targets"]]
EXPRESSIONS = [rule["expr"] for rule in ALL_RULES] + QUERIES


def promtool(*words: str) -> None:
    if not (tool := shutil.which("promtool")):
        pytest.skip("promtool is not installed (Debian package prometheus)")
    done = subprocess.run([tool, *words], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr


def metrics(expression: str) -> set[str]:
    """Names of time series in a PromQL expression."""
    return set(re.findall(r"\b(?:nv_\w+|vcf:\w+(?::\w+)*)", re.sub(r'"[^"]*"', "", expression)))


def test_rules_are_accepted() -> None:
    promtool("check", "rules", str(CHART_FILES / "rules.yml"))


def test_rules_do_what_their_tests_say(tmp_path: Path) -> None:
    """Without annotations, which promtool would have repeated word by word."""
    bare = {
        "groups": [
            {**group, "rules": [{k: v for k, v in rule.items() if k != "annotations"} for rule in group["rules"]]}
            for group in RULES["groups"]
        ]
    }
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(bare))
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({**TESTS, "rule_files": ["rules.yml"]}))
    promtool("test", "rules", str(tmp_path / "tests.yml"))


def test_every_alert_is_tested_firing_and_quiet() -> None:
    cases: dict[str, set[bool]] = {name: set() for name in ALERTS}
    for test in TESTS["tests"]:
        for case in test.get("alert_rule_test", []):
            cases[case["alertname"]].add(bool(case["exp_alerts"]))
    assert all(outcomes == {True, False} for outcomes in cases.values()), cases


def test_alerts_say_what_to_do() -> None:
    for rule in ALERTS.values():
        assert set(rule["annotations"]) == {"summary", "action"}
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_prometheus_beside_compose_reads_the_rules(tmp_path: Path) -> None:
    for path in (MONITORING / "prometheus.yml", CHART_FILES / "rules.yml"):
        shutil.copy(path, tmp_path)
    promtool("check", "config", str(tmp_path / "prometheus.yml"))


def test_prometheus_in_a_cluster_scrapes_the_service(tmp_path: Path) -> None:
    (job,) = yaml.safe_load((MONITORING / "scrape-kubernetes.yml").read_text())["scrape_configs"]
    assert job["kubernetes_sd_configs"] == [{"role": "endpointslice"}]
    # Debian's promtool is built without Kubernetes: it checks the rest.
    rest = {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"scrape_configs": [rest]}))
    promtool("check", "config", str(tmp_path / "prometheus.yml"))
    keep = next(rule for rule in job["relabel_configs"] if rule.get("action") == "keep")
    service = render()["Service", "triton"]
    ports = [port["name"] for port in service["spec"]["ports"]]
    matched = [port for port in ports if re.fullmatch(keep["regex"], f"{service['metadata']['name']};{port}")]
    assert matched == ["metrics"]
    labels = {rule.get("target_label") for rule in job["relabel_configs"]}
    assert {"namespace", "service"} <= labels, "the adapter finds the Service by these"


@pytest.mark.parametrize("query", QUERIES)
def test_queries_of_the_dashboard_are_promql(query: str, tmp_path: Path) -> None:
    filled = query.replace("$__rate_interval", "1m").replace("$job", "triton")
    assert "$" not in filled
    rule = {"record": "panel", "expr": filled}
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": [rule]}]}))
    promtool("check", "rules", str(tmp_path / "rules.yml"))


@pytest.mark.server
def test_every_metric_is_exported(triton_server: "TritonServer") -> None:
    """By this server; those of a GPU stand in its library, which exports them where there is one."""
    with urllib.request.urlopen(triton_server.metrics_url, timeout=120) as reply:
        exported = set(re.findall(r"^(nv_\w+)", reply.read().decode(), re.MULTILINE))
    named = set().union(*map(metrics, EXPRESSIONS))
    gpu = {name for name in named if name.startswith("nv_gpu_")}
    assert {name for name in named if name.startswith("nv_")} - gpu <= exported
    assert {name for name in named if name.startswith("vcf:")} <= RECORDED
    assert gpu and not gpu & exported
    from vcf_server import wheel

    (library,) = wheel.find().libraries.glob("libtritonserver-*.so")
    text = library.read_bytes()
    # The compiler keeps the first 16 characters of a literal together.
    assert all(name[:16].encode() in text for name in gpu)


@pytest.mark.server
def test_every_label_is_exported(triton_server: "TritonServer") -> None:
    with urllib.request.urlopen(triton_server.metrics_url, timeout=120) as reply:
        text = reply.read().decode()
    for reason in {r for e in EXPRESSIONS for r in re.findall(r'reason="(\w+)"', e)}:
        assert f'reason="{reason}"' in text
    models = set(re.findall(r'model="(\w+)"', text))
    for pattern in {p for e in EXPRESSIONS for p in re.findall(r'model=~"([^"]+)"', e)}:
        assert all(any(re.fullmatch(part, model) for model in models) for part in pattern.split("|")), pattern


def test_models_are_those_of_the_contract() -> None:
    studies = {ensemble.name for ensemble in ENSEMBLES if STUDY_SCORE in ensemble.outputs}
    patterns = {p for e in EXPRESSIONS for p in re.findall(r'model=~"([^"]+)"', e)}
    assert "|".join(sorted(studies)) in patterns
    for pattern in {p for e in EXPRESSIONS for p in re.findall(r'model!~"([^"]+)"', e)}:
        assert all(re.fullmatch(pattern, ensemble.name) for ensemble in ENSEMBLES)
        assert not any(re.fullmatch(pattern, model.name) for model in MODELS)


def test_neighbours_run_together_or_not_at_all() -> None:
    """The alert on a silent model compares models that every ensemble has all of, or none."""
    expression = ALERTS["VcfModelSilent"]["expr"]
    (pattern,) = set(re.findall(r'model=~"([^"]+)"', expression))
    neighbours = {model.name for model in MODELS if re.fullmatch(pattern, model.name)}
    for ensemble in ENSEMBLES:
        assert neighbours & {step.model for step in ensemble.steps} in (neighbours, set())


def test_the_adapter_hands_on_a_recorded_series() -> None:
    (rule,) = ADAPTER
    (series,) = re.findall(r'__name__="([^"]+)"', rule["seriesQuery"])
    assert series in RECORDED
    assert set(rule["resources"]["overrides"]) == {"namespace", "service"}


def test_panels_neither_overlap_nor_leave_the_grid() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS.values():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and all(x < 24 for x, _ in cells)
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"]) == len(PANELS)


def test_compose_mounts_what_grafana_and_prometheus_read() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounts = {}
    for name in ("prometheus", "grafana"):
        for mount in services[name]["volumes"]:
            source, target = mount.split(":")[:2]
            if source.startswith("."):
                assert (ROOT / source).exists(), source
                mounts[target] = ROOT / source
    provider = yaml.safe_load((MONITORING / "grafana/provisioning/dashboards/vcf.yml").read_text())["providers"][0]
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert mounts[str(home)].is_file()
    source = yaml.safe_load((MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text())
    (datasource,) = source["datasources"]
    port = services["prometheus"]["ports"][0].rpartition(":")[2]
    assert datasource["url"] == f"http://prometheus:{port}"
    assert datasource["type"] == DASHBOARD["templating"]["list"][0]["query"]
    scrape = yaml.safe_load((MONITORING / "prometheus.yml").read_text())["scrape_configs"][0]
    assert scrape["static_configs"][0]["targets"] == ["triton:8002"]


def test_nobody_can_change_anything_in_grafana() -> None:
    environment: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["grafana"]
    settings = environment["environment"]
    assert settings["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert settings["GF_AUTH_DISABLE_LOGIN_FORM"] == "true" and settings["GF_AUTH_BASIC_ENABLED"] == "false"
