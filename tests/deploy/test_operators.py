# SPDX-License-Identifier: Apache-2.0
"""Objects for operators fit the definitions that these publish in their Go modules: KEDA, Prometheus, Gateway API."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.chart import Objects, render, values

PROMETHEUS = ("github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd")
DEFINED = {
    "ScaledObject": ("github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"),
    "ServiceMonitor": (PROMETHEUS[0], f"{PROMETHEUS[1]}/monitoring.coreos.com_servicemonitors.yaml"),
    "PrometheusRule": (PROMETHEUS[0], f"{PROMETHEUS[1]}/monitoring.coreos.com_prometheusrules.yaml"),
    "GRPCRoute": ("sigs.k8s.io/gateway-api@v1.4.0", "config/crd/standard/gateway.networking.k8s.io_grpcroutes.yaml"),
}
"""Module and the file of the definition in it, by kind."""
USED = {
    "ScaledObject": ("gpu", "gpu-plans"),
    "ServiceMonitor": ("cpu", "secured"),
    "PrometheusRule": ("cpu", "secured"),
    "GRPCRoute": ("cpu", "canary"),
}


def definition(api_version: str, module: str, path: str) -> dict[str, Any]:
    """Schema of a version of a custom resource, from a file of a Go module; closed wherever it lists what it knows."""
    if not shutil.which("go"):
        pytest.skip("Go is not installed, and the definitions come in Go modules")
    done = subprocess.run(["go", "mod", "download", "-json", module], capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"{module} cannot be downloaded")
    document = yaml.safe_load((Path(json.loads(done.stdout)["Dir"]) / path).read_text())
    group, version = api_version.split("/")
    assert document["spec"]["group"] == group
    (found,) = [one for one in document["spec"]["versions"] if one["name"] == version and one["served"]]
    schema: dict[str, Any] = found["schema"]["openAPIV3Schema"]
    schema["properties"].pop("metadata")
    return _closed(schema)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """As an API server with strict field validation takes it."""
    for inner in schema.get("properties", {}).values():
        _closed(inner)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            _closed(schema[name])
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


@pytest.mark.slow
@pytest.mark.parametrize("kind", DEFINED)
def test_objects_fit_their_definitions(kind: str) -> None:
    objects: Objects = render(*values(*USED[kind]))
    found = [document for (one, _), document in objects.items() if one == kind]
    assert found
    schema = definition(found[0]["apiVersion"], *DEFINED[kind])
    for document in found:
        bare = {key: value for key, value in document.items() if key != "metadata"}
        # The schema itself is not looked at: its patterns are Go's.
        validator = jsonschema.Draft202012Validator(schema)
        validator.validate(bare)
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**bare, "spec": {**bare["spec"], "noSuchField": 1}})
