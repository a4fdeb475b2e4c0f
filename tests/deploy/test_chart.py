# SPDX-License-Identifier: Apache-2.0
"""The chart: what helm makes of each preset fits the Kubernetes schemas, the image, the ports and each other."""

import importlib.util
import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.chart import CHART, PRESETS, Objects, helm, render, template, values
from vcf_cli import _parser

ROOT = Path(__file__).resolve().parents[2]
FORMS = ("cpu", "gpu")
IN_KUBERNETES = ("v1", "apps/v1", "batch/v1", "autoscaling/v2", "policy/v1", "networking.k8s.io/v1")
"""API groups that every cluster has, with schemas; the others come with operators."""


@pytest.fixture(scope="module", params=PRESETS)
def preset(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def any_objects(preset: str) -> Objects:
    return render(*values(*PRESETS[preset]))


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def objects(form: str) -> Objects:
    return render(*values(form))


@pytest.fixture(scope="module")
def secured() -> Objects:
    return render(*values("cpu", "secured"))


def pod(objects: Objects, name: str = "triton") -> dict[str, Any]:
    spec: dict[str, Any] = objects["Deployment", name]["spec"]["template"]["spec"]
    return spec


def container(objects: Objects, name: str = "triton") -> dict[str, Any]:
    (only,) = pod(objects, name)["containers"]
    found: dict[str, Any] = only
    return found


def arguments(objects: Objects, name: str = "triton") -> list[str]:
    """Of tritonserver alone."""
    words: list[str] = container(objects, name)["args"]
    return words[words.index("tritonserver") + 1 :]


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


def test_helm_has_nothing_to_say(preset: str) -> None:
    done = helm("lint", "--strict", "--kube-version", "1.34.0", str(CHART), *values(*PRESETS[preset]))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout and "[ERROR]" not in done.stdout


@pytest.mark.parametrize("version", ["1.29", "1.34"])
def test_objects_fit_the_schemas(any_objects: Objects, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    checked = [document for document in any_objects.values() if document["apiVersion"] in IN_KUBERNETES]
    assert len(checked) >= 6
    for document in checked:
        validate.validate(document, version, strict=True)


def test_the_schemas_refuse_what_is_wrong(objects: Objects) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    service = objects["Service", "triton"]
    with pytest.raises(validate.ValidationError):
        validate.validate({**service, "spec": {**service["spec"], "clusterIp": "None"}}, "1.34", strict=True)


def test_every_value_has_a_schema() -> None:
    """No value is accepted that the chart does not know, at any depth that the chart itself reads."""

    def compare(value: Any, schema: dict[str, Any], path: str) -> None:
        if isinstance(value, dict) and schema.get("properties"):
            assert schema["additionalProperties"] is False, path
            assert set(value) | {"global"} >= set(schema["properties"]) or path == "canary.models", path
            for name, inner in value.items():
                assert name in schema["properties"], f"{path}.{name}"
                compare(inner, schema["properties"][name], f"{path}.{name}".lstrip("."))

    schema = json.loads((CHART / "values.schema.json").read_text())
    compare(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "sharedMemmory=4Gi"], "sharedMemmory"),
        (["--set", "sharedMemory=much"], "sharedMemory"),
        (["--set", "autoscaling.by=magic"], "autoscaling"),
        (["--set", "canary.weight=101"], "weight"),
        (["--set", "models.from=url"], "models.url is needed"),
        (["--set", "models.from=claim"], "models.claim.name is needed"),
        (["--set", "models.url=ftp://somewhere/models"], "url"),
        (["--set", "apiKey.secretName=key"], "a key is sent over TLS only"),
        (["--set", "tls.clientCertificates=true"], "tls.secretName"),
        (["--set", "route.enabled=true"], "route.parentRefs is needed"),
    ],
)
def test_wrong_values_are_refused_by_name(words: list[str], said: str) -> None:
    done = template(*words)
    assert done.returncode != 0
    assert said in done.stderr


def test_selectors_choose_these_pods_and_no_others(any_objects: Objects) -> None:
    selected = {
        (kind, name): document["spec"].get("selector", document["spec"].get("podSelector"))
        for (kind, name), document in any_objects.items()
        if kind in ("Deployment", "StatefulSet", "Service", "PodDisruptionBudget", "NetworkPolicy")
    }
    pods = {
        name: document["spec"]["template"]["metadata"]["labels"]
        for (kind, name), document in any_objects.items()
        if kind in ("Deployment", "StatefulSet", "Job")
    }
    for (kind, name), selector in selected.items():
        labels = selector.get("matchLabels", selector)
        chosen = {pod for pod, own in pods.items() if labels.items() <= own.items()}
        if kind in ("Deployment", "StatefulSet"):
            assert chosen == {name}
        elif name.endswith("-gateway"):
            assert chosen == {"triton-gateway"}
        elif kind == "Service" and ("Service", "triton-canary") in any_objects:
            assert chosen == {name}
        else:
            assert chosen == {deployment for kind, deployment in any_objects if kind == "Deployment"}


def test_the_image_is_that_of_compose(objects: Objects, form: str) -> None:
    service = compose()[f"triton-{form}"]
    assert container(objects)["image"] == service["image"]
    assert service["build"]["target"] == form


def test_the_server_gets_the_arguments_of_compose(objects: Objects, form: str) -> None:
    words = container(objects)["args"]
    command = [
        word.replace("${VCF_ON_STALE_PLAN:-refuse}", "refuse") for word in compose()[f"triton-{form}"]["command"]
    ]
    start = command.index("tritonserver") + 1
    assert words[:start] == command[:start]
    assert set(command) <= set(words)
    options = [word.partition("=")[0] for word in words[start:]]
    assert len(set(options)) == len(options)


def test_ports_are_the_servers_own(objects: Objects, form: str) -> None:
    served = _parser("serve").parse_args(["serve"])
    expected = {name: getattr(served, f"{name}_port") for name in ("http", "grpc", "metrics")}
    assert {port["name"]: port["containerPort"] for port in container(objects)["ports"]} == expected
    service = objects["Service", "triton"]["spec"]["ports"]
    assert {port["name"]: port["port"] for port in service} == expected
    assert all(port["targetPort"] == port["name"] for port in service)
    published = compose()[f"triton-{form}"]["ports"]
    assert {int(port.rpartition(":")[2]) for port in published} == set(expected.values())


def test_the_service_gives_the_address_of_every_ready_pod(any_objects: Objects) -> None:
    service = any_objects["Service", "triton"]["spec"]
    assert service["clusterIP"] == "None"
    assert not service.get("publishNotReadyAddresses")


def test_who_may_connect(objects: Objects) -> None:
    policy = objects["NetworkPolicy", "triton"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []
    clients, prometheus = policy["ingress"]
    assert {port["port"] for port in clients["ports"]} == {"http", "grpc"}
    assert clients["from"] == [{"podSelector": {"matchLabels": {"vcf-triton/client": "true"}}}]
    assert {port["port"] for port in prometheus["ports"]} == {"metrics"}
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    pods = {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}
    assert prometheus["from"] == [{"namespaceSelector": namespace, "podSelector": pods}]


def test_a_server_that_fetches_models_or_sends_traces_may_do_just_that() -> None:
    fetched = render("--set", "models.from=url", "--set", "models.url=s3://bucket/models")
    traced = render("--set", "otlp.url=http://collector.monitoring:4318/v1/traces")
    ports = [
        [port["port"] for rule in found["NetworkPolicy", "triton"]["spec"]["egress"] for port in rule["ports"]]
        for found in (fetched, traced)
    ]
    assert ports == [[53, 53, 443], [53, 53, 4318]]
    assert "--model-repository=s3://bucket/models" in arguments(fetched)


def test_pods_can_do_nothing_but_their_work(any_objects: Objects) -> None:
    """The restricted level of the Pod Security Standards, and a read-only file system."""
    for (kind, _), document in any_objects.items():
        if kind not in ("Deployment", "StatefulSet", "Job", "Pod"):
            continue
        spec = document["spec"] if kind == "Pod" else document["spec"]["template"]["spec"]
        assert not spec["automountServiceAccountToken"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        for one in [*spec["containers"], *spec.get("initContainers", [])]:
            assert one["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in one["resources"]["limits"]
        assert all("hostPath" not in volume for volume in spec["volumes"])
        mounted = {mount["name"] for one in spec["containers"] for mount in one["volumeMounts"]}
        claims = {"spool"} if kind == "StatefulSet" else set()
        assert mounted == {volume["name"] for volume in spec["volumes"]} | claims


def test_memory_holds_the_shared_memory_too(any_objects: Objects) -> None:
    volumes = {volume["name"]: volume.get("emptyDir") for volume in pod(any_objects)["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container(any_objects)["volumeMounts"]}
    shared = volumes[mounts["/dev/shm"]]
    assert shared["medium"] == "Memory"
    limit = container(any_objects)["resources"]["limits"]["memory"]
    assert gib(limit) >= 2 * gib(shared["sizeLimit"])


def gib(quantity: str) -> int:
    assert quantity.endswith("Gi")
    return int(quantity[:-2])


def test_only_gpu_pods_take_a_gpu(objects: Objects, form: str) -> None:
    assert container(objects)["resources"]["limits"].get("nvidia.com/gpu") == {"gpu": "1", "cpu": None}[form]


def test_a_part_of_a_gpu_has_its_own_name() -> None:
    found = container(render(*values("gpu"), "--set-string", "gpu.resource=nvidia.com/mig-1g.10gb"))
    assert found["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "1"
    assert "nvidia.com/gpu" not in found["resources"]["limits"]


def test_probes_end_before_the_kubelet_ends_them(objects: Objects, script: Any) -> None:
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        probe = container(objects)[name]
        command = probe["exec"]["command"]
        timeout_s = float(command[command.index("--timeout-s") + 1])
        assert timeout_s + script("probe").AFTERWARDS_S < probe["timeoutSeconds"], name
        assert ("--ensembles" in command) is (name != "livenessProbe"), "a draining server is to live"


def test_the_drain_ends_before_the_pod_is_killed(objects: Objects) -> None:
    command = container(objects)["lifecycle"]["preStop"]["exec"]["command"]
    limit_s, settle_s = (float(command[command.index(name) + 1]) for name in ("--limit-s", "--settle-s"))
    options = dict(word.partition("=")[::2] for word in arguments(objects))
    exit_s = float(options["--exit-timeout-secs"])
    assert limit_s + exit_s < pod(objects)["terminationGracePeriodSeconds"]
    # All clients have connected anew, and a study that began before has its grace.
    assert settle_s > float(options["--grpc-max-connection-age"]) / 1000
    assert limit_s - settle_s >= float(options["--grpc-max-connection-age-grace"]) / 1000


def test_commands_find_their_scripts_in_the_image(objects: Objects) -> None:
    dockerfile = (ROOT / "deploy" / "server.Dockerfile").read_text()
    copied = next(line.split()[1:] for line in dockerfile.splitlines() if "drain.py" in line)
    in_image = {f"{copied[-1]}{Path(source).name}" for source in copied[:-1]}
    commands = [container(objects)[f"{name}Probe"]["exec"]["command"] for name in ("startup", "readiness", "liveness")]
    commands.append(container(objects)["lifecycle"]["preStop"]["exec"]["command"])
    assert {word for command in commands for word in command if word.endswith(".py")} == in_image
    assert "COPY model_repository /models\n" in dockerfile
    assert "--model-repository=/models" in arguments(objects)


def test_the_autoscaler_scales_the_deployment(objects: Objects, form: str) -> None:
    scaler = objects["HorizontalPodAutoscaler", "triton"]["spec"]
    deployment = objects["Deployment", "triton"]
    assert scaler["scaleTargetRef"] == {key: deployment[key] for key in ("apiVersion", "kind")} | {
        "name": deployment["metadata"]["name"]
    }
    assert "replicas" not in deployment["spec"], "every upgrade would undo the autoscaler's work"
    assert scaler["minReplicas"] > objects["PodDisruptionBudget", "triton"]["spec"]["maxUnavailable"]
    (metric,) = scaler["metrics"]
    if form == "cpu":
        assert "cpu" in container(objects)["resources"]["requests"], "utilisation is a part of the request"
        return
    assert metric["object"]["describedObject"]["name"] == objects["Service", "triton"]["metadata"]["name"]
    rules = yaml.safe_load((ROOT / "deploy" / "monitoring" / "prometheus-adapter.yml").read_text())["rules"]
    assert metric["object"]["metric"]["name"] in [rule["name"]["as"] for rule in rules]


def test_keda_asks_for_what_the_rules_record() -> None:
    scaled = render(*values("gpu", "gpu-plans"))["ScaledObject", "triton"]["spec"]
    (trigger,) = scaled["triggers"]
    recorded = {
        rule["record"]
        for group in yaml.safe_load((CHART / "files" / "rules.yml").read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    assert any(name in trigger["metadata"]["query"] for name in recorded)
    assert 'service="triton"' in trigger["metadata"]["query"]


def test_without_an_autoscaler_the_number_is_said() -> None:
    found = render("--set", "autoscaling.by=none", "--set", "replicas=3")
    assert found["Deployment", "triton"]["spec"]["replicas"] == 3
    assert not any(kind == "HorizontalPodAutoscaler" for kind, _ in found)


def test_the_canary_differs_by_its_models_alone() -> None:
    found = render(*values("cpu", "canary"))
    stable, canary = container(found), container(found, "triton-canary")
    assert canary["image"] == "vcf-triton:next"
    assert {**stable, "image": ""} == {**canary, "image": ""}
    (rule,) = found["GRPCRoute", "triton"]["spec"]["rules"]
    weights = {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}
    assert weights == {"triton": 90, "triton-canary": 10}
    assert all(("Service", name) in found for name in weights)


def test_without_a_route_one_name_stands_for_both_releases() -> None:
    found = render("--set", "canary.enabled=true", "--set", "canary.image.tag=next")
    assert "vcf-triton/track" not in found["Service", "triton"]["spec"]["selector"]


def test_with_tls_and_key_no_door_stays_open(secured: Objects) -> None:
    options = dict(word.partition("=")[::2] for word in arguments(secured))
    assert options["--grpc-use-ssl"] == "1" and options["--http-address"] == "127.0.0.1"
    assert options["--grpc-server-cert"].startswith("/etc/vcf/tls/")
    assert options["--grpc-restricted-protocol"] == "inference,health:vcf=$(VCF_API_KEY)"
    assert {port["name"] for port in container(secured)["ports"]} == {"grpc", "metrics"}
    assert {port["name"] for port in secured["Service", "triton"]["spec"]["ports"]} == {"grpc", "metrics"}


def test_the_plans_are_built_where_servers_look_for_them() -> None:
    found = render(*values("gpu", "gpu-plans"))
    ((_, job),) = [(name, document) for (kind, name), document in found.items() if kind == "Job"]
    built = job["spec"]["template"]["spec"]
    (volume,) = [volume for volume in built["volumes"] if volume["name"] == "plans"]
    (mount,) = [mount for mount in built["containers"][0]["volumeMounts"] if mount["name"] == "plans"]
    (served,) = [volume for volume in pod(found)["volumes"] if volume["name"] == "models"]
    (served_mount,) = [mount for mount in container(found)["volumeMounts"] if mount["name"] == "models"]
    assert volume["persistentVolumeClaim"]["claimName"] == served["persistentVolumeClaim"]["claimName"]
    assert mount["subPath"] == served_mount["subPath"]
    assert built["nodeSelector"] == pod(found)["nodeSelector"]
    assert built["containers"][0]["resources"]["limits"]["nvidia.com/gpu"] == "1"


def test_rules_and_dashboard_are_in_the_cluster_as_they_are_tested(secured: Objects) -> None:
    rule = secured["PrometheusRule", "triton"]["spec"]
    assert rule == yaml.safe_load((CHART / "files" / "rules.yml").read_text())
    dashboard = secured["ConfigMap", "triton-dashboard"]["data"]["vcf.json"]
    assert json.loads(dashboard) == json.loads((CHART / "files" / "dashboard.json").read_text())


def test_the_gateways_settings_are_accepted(secured: Objects, tmp_path: Path) -> None:
    import tomllib

    from vcf_client.gateway.settings import faults

    settings = tomllib.loads(secured["ConfigMap", "triton-gateway"]["data"]["gateway.toml"])
    assert faults(settings) == []
    gateway = secured["StatefulSet", "triton-gateway"]["spec"]["template"]["spec"]["containers"][0]
    mounts = [mount["mountPath"] for mount in gateway["volumeMounts"]]
    assert settings["spool"] in mounts
    for file in (settings["tls"]["ca"], settings["api_key_file"]):
        assert any(file.startswith(f"{mount}/") for mount in mounts), file
    ports = {port["name"]: port["containerPort"] for port in gateway["ports"]}
    assert ports == {"dicom": settings["port"], "metrics": settings["metrics"]["port"]}


@pytest.mark.server
@pytest.mark.slow
def test_the_arguments_start_a_server_that_probe_and_drain_work_on(
    tiny_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the CPU form, on the server from the wheel, which knows the same options."""
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")
    from vcf_server.server import TritonServer

    found = container(render(*values("cpu")))
    key = "0e9b4b52-3a53-4f5e-9f0e-6f6f5d6c9a11"
    # Given by TritonServer itself; its exit is the shorter one.
    own = (
        "--model-repository",
        "--backend-directory",
        "--model-config-name",
        "--exit-timeout-secs",
        "--backend-config",
    )
    monkeypatch.setenv("VCF_ADMIN_KEY", key)
    given = [argument for argument in arguments(render(*values("cpu"))) if not argument.startswith(own)]
    with TritonServer(tiny_repository, extra_args=given, admin_key=key) as server:

        def run(command: list[str], *more: str) -> tuple[int, str]:
            words = [word.replace("/opt/vcf/", f"{ROOT}/deploy/") for word in command]
            words += ["--port", str(server.http_port), "--models", str(tiny_repository), *more]
            done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True, timeout=90)
            return done.returncode, done.stdout + done.stderr

        startup, liveness = (found[f"{name}Probe"]["exec"]["command"] for name in ("startup", "liveness"))
        assert run(startup) == (0, "")
        assert run(found["lifecycle"]["preStop"]["exec"]["command"], "--notice-s", "0") == (0, "")
        assert run(startup)[0] == 1
        assert run(liveness) == (0, "")
        with urllib.request.urlopen(server.metrics_url, timeout=300) as reply:
            assert reply.status == 200
