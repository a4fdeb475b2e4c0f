# SPDX-License-Identifier: Apache-2.0
"""The objects of ``examples/kserve`` fit KServe's own definitions, and are the chart's pod under other names."""

from typing import Any

import jsonschema
import pytest
import yaml

from tests.deploy.chart import render, values
from tests.deploy.test_operators import definition
from tests.examples.conftest import EXAMPLES

OBJECTS: dict[str, dict[str, Any]] = {
    document["kind"]: document for document in yaml.safe_load_all((EXAMPLES / "kserve" / "vcf.yaml").read_text())
}
KSERVE = "github.com/kserve/kserve@v0.15.2"
RUNTIME, SERVICE = OBJECTS["ServingRuntime"]["spec"], OBJECTS["InferenceService"]["spec"]["predictor"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", OBJECTS)
def test_objects_fit_their_definitions(kind: str) -> None:
    path = f"config/crd/full/serving.kserve.io_{kind.lower()}s.yaml"
    validator = jsonschema.Draft202012Validator(definition(OBJECTS[kind]["apiVersion"], KSERVE, path))
    bare = {key: value for key, value in OBJECTS[kind].items() if key != "metadata"}
    validator.validate(bare)
    for wrong in ({**bare["spec"], "noSuchField": 1}, {}) if kind == "ServingRuntime" else ({"noSuchField": 1},):
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**bare, "spec": wrong})


def test_the_service_names_the_runtime() -> None:
    model = SERVICE["model"]
    assert model["runtime"] == OBJECTS["ServingRuntime"]["metadata"]["name"]
    assert model["protocolVersion"] in RUNTIME["protocolVersions"]
    served = [{key: offered[key] for key in ("name", "version")} for offered in RUNTIME["supportedModelFormats"]]
    assert model["modelFormat"] in served and "storageUri" not in model


def test_the_pod_is_that_of_the_chart() -> None:
    (deployment,) = (one for (kind, _), one in render(*values("cpu")).items() if kind == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (theirs,), (ours,) = pod["containers"], RUNTIME["containers"]
    ports = [{key: value for key, value in port.items() if key != "protocol"} for port in ours["ports"]]
    assert {**ours, "name": "triton", "ports": ports} == theirs
    assert RUNTIME["volumes"] == pod["volumes"]
    for name in (
        "automountServiceAccountToken",
        "enableServiceLinks",
        "terminationGracePeriodSeconds",
        "securityContext",
    ):
        assert SERVICE[name] == pod[name]
    assert SERVICE["deploymentStrategy"] == deployment["spec"]["strategy"]
