# SPDX-License-Identifier: Apache-2.0
"""The manifests: what kubectl makes of them fits the Kubernetes schemas, the image, the ports and each other."""

import importlib.util
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from vcf.cli import _parser

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("cpu", "gpu")
Objects = dict[str, dict[str, Any]]


@pytest.fixture(scope="module", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def objects(overlay: str) -> Objects:
    return render(overlay)


def render(overlay: str) -> Objects:
    """By kind."""
    if not (kubectl := shutil.which("kubectl")):
        pytest.skip("kubectl is not installed")
    command = [kubectl, "kustomize", str(KUBERNETES / "overlays" / overlay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    documents = list(yaml.safe_load_all(done.stdout))
    assert len({document["kind"] for document in documents}) == len(documents)
    return {document["kind"]: document for document in documents}


def pod(objects: Objects) -> dict[str, Any]:
    spec: dict[str, Any] = objects["Deployment"]["spec"]["template"]["spec"]
    return spec


def container(objects: Objects) -> dict[str, Any]:
    (only,) = pod(objects)["containers"]
    found: dict[str, Any] = only
    return found


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    return found


@pytest.mark.parametrize("version", ["1.29", "1.34"])
def test_objects_fit_the_schemas(objects: Objects, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    for document in objects.values():
        validate.validate(document, version, strict=True)


def test_the_schemas_refuse_what_is_wrong(objects: Objects) -> None:
    validate = pytest.importorskip("kubernetes_validate")
    wrong = {**objects["Service"], "spec": {**objects["Service"]["spec"], "clusterIp": "None"}}
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, "1.34", strict=True)


def test_kinds(objects: Objects) -> None:
    assert set(objects) == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "HorizontalPodAutoscaler",
    }


def test_selectors_choose_these_pods_and_no_others(objects: Objects, overlay: str) -> None:
    labels = objects["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app.kubernetes.io/name": "vcf-triton", "app.kubernetes.io/component": overlay}
    assert objects["Deployment"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    (spread,) = pod(objects)["topologySpreadConstraints"]
    assert spread["labelSelector"]["matchLabels"].items() <= labels.items()


def test_the_image_is_that_of_compose(objects: Objects, overlay: str) -> None:
    service = compose()[f"triton-{overlay}"]
    assert container(objects)["image"] == service["image"]
    assert service["build"]["target"] == overlay


def test_the_server_gets_the_arguments_of_compose(objects: Objects, overlay: str) -> None:
    arguments = container(objects)["args"]
    command = [
        word.replace("${VCF_ON_STALE_PLAN:-refuse}", "refuse") for word in compose()[f"triton-{overlay}"]["command"]
    ]
    start = command.index("tritonserver") + 1
    assert arguments[:start] == command[:start]
    assert set(command) <= set(arguments)
    options = [argument.partition("=")[0] for argument in arguments[start:]]
    assert len(set(options)) == len(options)


def test_ports_are_the_servers_own(objects: Objects, overlay: str) -> None:
    served = _parser("serve").parse_args(["serve"])
    expected = {name: getattr(served, f"{name}_port") for name in ("http", "grpc", "metrics")}
    assert {port["name"]: port["containerPort"] for port in container(objects)["ports"]} == expected
    service = objects["Service"]["spec"]["ports"]
    assert {port["name"]: port["port"] for port in service} == expected
    assert all(port["targetPort"] == port["name"] for port in service)
    published = compose()[f"triton-{overlay}"]["ports"]
    assert {int(port.rpartition(":")[2]) for port in published} == set(expected.values())


def test_the_service_gives_the_address_of_every_ready_pod(objects: Objects) -> None:
    service = objects["Service"]["spec"]
    assert service["clusterIP"] == "None"
    assert not service.get("publishNotReadyAddresses")


def test_who_may_connect(objects: Objects) -> None:
    policy = objects["NetworkPolicy"]["spec"]
    assert set(policy["policyTypes"]) == {"Ingress", "Egress"}
    assert policy["egress"] == []
    clients, prometheus = policy["ingress"]
    assert {port["port"] for port in clients["ports"]} == {"http", "grpc"}
    assert clients["from"] == [{"podSelector": with_label("vcf-triton/client", "true")}]
    assert {port["port"] for port in prometheus["ports"]} == {"metrics"}
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    pods = with_label("app.kubernetes.io/name", "prometheus")
    assert prometheus["from"] == [{"namespaceSelector": namespace, "podSelector": pods}]


def with_label(key: str, value: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}


def test_the_container_can_do_nothing_but_serve(objects: Objects) -> None:
    """The restricted level of the Pod Security Standards, and a read-only file system."""
    assert not pod(objects)["automountServiceAccountToken"]
    assert pod(objects)["securityContext"]["runAsNonRoot"] is True
    assert pod(objects)["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    assert container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(set(volume) == {"name", "emptyDir"} for volume in pod(objects)["volumes"])


def test_memory_holds_the_shared_memory_too(objects: Objects) -> None:
    volumes = {volume["name"]: volume["emptyDir"] for volume in pod(objects)["volumes"]}
    mounts = {mount["mountPath"]: mount["name"] for mount in container(objects)["volumeMounts"]}
    shared = volumes[mounts["/dev/shm"]]
    assert shared["medium"] == "Memory"
    limit = container(objects)["resources"]["limits"]["memory"]
    assert gib(limit) >= 2 * gib(shared["sizeLimit"])


def gib(quantity: str) -> int:
    assert quantity.endswith("Gi")
    return int(quantity[:-2])


def test_only_gpu_pods_take_a_gpu(objects: Objects, overlay: str) -> None:
    assert container(objects)["resources"]["limits"].get("nvidia.com/gpu") == {"gpu": "1", "cpu": None}[overlay]


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
    arguments = dict(argument.partition("=")[::2] for argument in container(objects)["args"])
    exit_s = float(arguments["--exit-timeout-secs"])
    assert limit_s + exit_s < pod(objects)["terminationGracePeriodSeconds"]
    # All clients have connected anew, and a study that began before has its grace.
    assert settle_s > float(arguments["--grpc-max-connection-age"]) / 1000
    assert limit_s - settle_s >= float(arguments["--grpc-max-connection-age-grace"]) / 1000


def test_commands_find_their_scripts_in_the_image(objects: Objects) -> None:
    dockerfile = (ROOT / "deploy" / "server.Dockerfile").read_text()
    copied = next(line.split()[1:] for line in dockerfile.splitlines() if "drain.py" in line)
    in_image = {f"{copied[-1]}{Path(source).name}" for source in copied[:-1]}
    commands = [container(objects)[f"{name}Probe"]["exec"]["command"] for name in ("startup", "readiness", "liveness")]
    commands.append(container(objects)["lifecycle"]["preStop"]["exec"]["command"])
    assert {word for command in commands for word in command if word.endswith(".py")} == in_image
    assert "COPY model_repository /models\n" in dockerfile
    assert "--model-repository=/models" in container(objects)["args"]


def test_the_autoscaler_scales_the_deployment(objects: Objects, overlay: str) -> None:
    scaler = objects["HorizontalPodAutoscaler"]["spec"]
    deployment = objects["Deployment"]
    assert scaler["scaleTargetRef"] == {key: deployment[key] for key in ("apiVersion", "kind")} | {
        "name": deployment["metadata"]["name"]
    }
    assert "replicas" not in deployment["spec"], "every `kubectl apply` would undo the autoscaler's work"
    assert scaler["minReplicas"] > objects["PodDisruptionBudget"]["spec"]["maxUnavailable"]
    (metric,) = scaler["metrics"]
    if overlay == "cpu":
        assert "cpu" in container(objects)["resources"]["requests"], "utilisation is a part of the request"
        return
    assert metric["object"]["describedObject"]["name"] == objects["Service"]["metadata"]["name"]
    rules = yaml.safe_load((ROOT / "deploy" / "monitoring" / "prometheus-adapter.yml").read_text())["rules"]
    assert metric["object"]["metric"]["name"] in [rule["name"]["as"] for rule in rules]


@pytest.mark.server
@pytest.mark.slow
def test_the_arguments_start_a_server_that_probe_and_drain_work_on(
    tiny_repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the CPU overlay, on the server from the wheel, which knows the same options."""
    if importlib.util.find_spec("pytriton") is None:
        pytest.skip("the Triton server is not installed (nvidia-pytriton)")
    from vcf.serve.server import TritonServer

    found = container(render("cpu"))
    key = "0e9b4b52-3a53-4f5e-9f0e-6f6f5d6c9a11"
    # Given by TritonServer itself; its exit is the shorter one.
    own = ("--model-repository", "--backend-directory", "--model-config-name", "--exit-timeout-secs")
    arguments = [
        argument.replace("$(VCF_ADMIN_KEY)", key) for argument in found["args"][1:] if not argument.startswith(own)
    ]
    monkeypatch.setenv("VCF_ADMIN_KEY", key)
    with TritonServer(tiny_repository, extra_args=arguments) as server:

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
        with urllib.request.urlopen(server.metrics_url, timeout=10) as reply:
            assert reply.status == 200
