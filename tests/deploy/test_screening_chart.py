# SPDX-License-Identifier: Apache-2.0
"""The RayJob of a screening: its command is one that ``vcf`` takes, and only its head writes the result."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

import vcf_cli
from tests.deploy.chart import ROOT, Objects, render, template, values

SET = (
    *("--set", "screening.enabled=true", "--set", "screening.source=https://pacs.example/dicom-web"),
    *("--set", "screening.claim=result", "--set", "screening.archiveClaim=archive"),
    *("--set-json", 'screening.args=["--filter=StudyDate=20150101-20191231","--window=20:00-06:00"]'),
)


@pytest.fixture(scope="module")
def objects() -> Objects:
    return render(*values("cpu", "secured"), *SET)


def pods(objects: Objects) -> dict[str, Any]:
    cluster = objects["RayJob", "triton-screening"]["spec"]["rayClusterSpec"]
    head, (workers,) = cluster["headGroupSpec"], cluster["workerGroupSpecs"]
    return {"head": head["template"]["spec"], "worker": workers["template"]["spec"]}


def test_nothing_of_it_is_there_unless_it_is_wanted() -> None:
    assert not [kind for kind, name in render() if "screening" in name or kind == "RayJob"]


def test_the_command_is_one_that_vcf_takes(objects: Objects) -> None:
    program, *words = shlex.split(objects["RayJob", "triton-screening"]["spec"]["entrypoint"])
    args = vcf_cli._parser("screen").parse_args(words)
    assert program == "vcf" and args.source == "https://pacs.example/dicom-web"
    assert args.filter == ["StudyDate=20150101-20191231"] and args.window == "20:00-06:00" and args.ray == "auto"
    mounts = [mount["mountPath"] for mount in pods(objects)["head"]["containers"][0]["volumeMounts"]]
    for path in (args.out, args.tls_ca, args.api_key_file):
        assert any(path.is_relative_to(mount) for mount in mounts), path
    (address,) = args.server
    service = objects["Service", "triton"]
    assert address == f"dns:///{service['metadata']['name']}.vcf.svc:8001"


def test_only_the_head_has_the_result_and_no_pod_is_root(objects: Objects) -> None:
    for name, pod in pods(objects).items():
        volumes = {volume["name"] for volume in pod["volumes"]}
        assert ("result" in volumes) == (name == "head") and {"archive", "tmp"} <= volumes
        assert pod["securityContext"]["runAsNonRoot"] and not pod["automountServiceAccountToken"]
        (container,) = pod["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]


def test_ray_is_the_one_that_was_tested(objects: Objects) -> None:
    pinned = re.search(r"^ray==(.+)$", Path(ROOT, "constraints.txt").read_text(), re.MULTILINE)
    assert pinned and objects["RayJob", "triton-screening"]["spec"]["rayClusterSpec"]["rayVersion"] == pinned[1]


@pytest.mark.parametrize("lacking", ["source", "claim"])
def test_what_is_needed_is_asked_for(lacking: str) -> None:
    done = template(*SET, "--set", f"screening.{lacking}=")
    assert done.returncode and f"screening.{lacking}" in done.stderr
