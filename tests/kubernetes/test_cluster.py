# SPDX-License-Identifier: Apache-2.0
"""The chart in a real cluster: installed, and drilled while studies come without a pause. None may be lost."""

import re
import time
from collections.abc import Callable

import pytest

from tests.kubernetes.load import Load, sending
from tests.kubernetes.release import NAMESPACE, SERVERS, Release, seconds_to_ready

pytestmark = pytest.mark.kubernetes

Note = Callable[..., None]
STUDIES = 20
"""How many are answered before a drill begins, and after it."""
KILL = """
import os, pathlib
name = b"/models/" + b"fracture_findings/1/model.py"
found = [each.parent.name for each in pathlib.Path("/proc").glob("[0-9]*/cmdline") if name in each.read_bytes()]
os.kill(int(found[0]), 9)
print("killed")
"""
"""A Python model's process; the program's own command line has not its name in one piece."""


def requests(release: Release, pod: str, model: str = "vcf_crop") -> int:
    """How many requests of a model a server has answered."""
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8002/metrics').read().decode())"
    said = release.execute(pod, "python3", "-c", ask)
    found = re.search(rf'^nv_inference_request_success{{model="{model}",[^}}]*}} (\d+)', said, re.MULTILINE)
    return int(found[1]) if found else 0


def end(load: Load, note: Note, drill: str, **more: object) -> None:
    """Studies for a while longer, then the count: none is lost, and all got the same score."""
    load.reach(STUDIES)
    told = load.end()
    note(drill=drill, answered=told["answered"], lost=told["lost"], longest_s=told["longest_s"], **more)
    assert not told["lost"], told
    assert len(told["scores"]) == 1, told


def test_two_servers_are_ready(release: Release, figure: Note) -> None:
    """The autoscaler makes its least number of pods without any metrics; probes pass; the name has both addresses."""
    release.wait("two servers", lambda: len(release.ready()) == 2)
    assert release.addresses() == release.ready()
    figure(drill="install", seconds_to_ready=[seconds_to_ready(pod) for pod in release.pods()])


def test_the_charts_own_test(release: Release, figure: Note) -> None:
    started = time.monotonic()
    said = release.helm("test", "triton", "--logs", "--timeout", "5m")
    assert "Succeeded" in said
    figure(drill="helm test", seconds=round(time.monotonic() - started))


def test_studies_are_shared(release: Release, figure: Note) -> None:
    """By the headless Service's name, each server gets its part."""
    pods = release.ready()
    before = [requests(release, pod) for pod in pods]
    with sending(release.cluster, NAMESPACE, clients=1, threads=2) as load:
        load.reach(2 * STUDIES)
        told = load.end()
    counts = [requests(release, pod) - old for pod, old in zip(pods, before, strict=True)]
    figure(drill="shared", answered=told["answered"], lost=told["lost"], by_server=counts)
    assert not told["lost"]
    assert min(counts) > 0.3 * sum(counts), counts


def test_a_rolling_update(release: Release, figure: Note) -> None:
    """Both pods are replaced, one after the other, and drained."""
    old = release.ready()
    with sending(release.cluster, NAMESPACE) as load:
        load.reach(STUDIES)
        started = time.monotonic()
        release.set("podAnnotations.round=two")
        rolled = time.monotonic() - started
        release.wait("the old pods are gone", lambda: not set(old) & set(release.all_pods()))
        gone = time.monotonic() - started
        end(load, figure, "rolling update", rolled_s=round(rolled), old_pods_gone_s=round(gone))


def test_evictions(release: Release, figure: Note) -> None:
    """As a drained node asks for them: the budget lets one go, the other only when there is a third."""
    first, second = release.ready()
    with sending(release.cluster, NAMESPACE) as load:
        load.reach(STUDIES)
        started = time.monotonic()
        assert "Success" in release.evict(first)
        assert "disruption budget" in release.evict(second)
        release.wait("the budget lets the second go", lambda: "Success" in release.evict(second))
        release.wait("both are gone", lambda: not {first, second} & set(release.all_pods()))
        seconds = time.monotonic() - started
        release.wait("two servers", lambda: len(release.ready()) == 2)
        end(load, figure, "evictions", both_gone_s=round(seconds))


def test_a_pod_is_deleted(release: Release, figure: Note) -> None:
    victim = release.ready()[0]
    with sending(release.cluster, NAMESPACE) as load:
        load.reach(STUDIES)
        release.cluster.kubectl("delete", "pod", "--namespace", NAMESPACE, victim, "--wait=false")
        seconds = release.wait("it is gone", lambda: victim not in release.all_pods())
        release.wait("two servers", lambda: len(release.ready()) == 2)
        end(load, figure, "deletion", gone_s=round(seconds))


def test_a_killed_python_process(release: Release, figure: Note) -> None:
    """Triton says that it is ready all the same: probes take the pod out of the Service, then restart its container."""
    victim = release.ready()[0]
    with sending(release.cluster, NAMESPACE) as load:
        load.reach(STUDIES)
        assert "killed" in release.execute(victim, "python3", "-c", KILL)
        out = release.wait("it is out of the Service", lambda: victim not in release.addresses())
        again = out + release.wait("its container is started anew", lambda: release.restarts(victim) == 1)
        ready = again + release.wait("it is ready again", lambda: victim in release.addresses())
        end(load, figure, "killed stub", out_s=round(out), restarted_s=round(again), ready_s=round(ready))


def test_scaled_up_and_down(release: Release, figure: Note) -> None:
    """By the bounds of the autoscaler, which needs no metrics for them."""
    with sending(release.cluster, NAMESPACE) as load:
        load.reach(STUDIES)
        started = time.monotonic()
        release.set("podAnnotations.round=two", "autoscaling.minReplicas=3", "autoscaling.maxReplicas=3")
        release.wait("three servers", lambda: len(release.addresses()) == 3)
        up = time.monotonic() - started
        load.reach(STUDIES)
        started = time.monotonic()
        release.set("podAnnotations.round=two", "autoscaling.minReplicas=1", "autoscaling.maxReplicas=1")
        release.wait("one server", lambda: len(release.all_pods()) == 1)
        down = time.monotonic() - started
        end(load, figure, "scale 2-3-1", up_s=round(up), down_s=round(down))


def test_a_canary(release: Release, figure: Note) -> None:
    """Another tag beside the first, behind the same name; then none."""
    with sending(release.cluster, NAMESPACE) as load:
        load.reach(STUDIES)
        release.set("canary.enabled=true", "canary.image.tag=next")
        release.wait("a canary", lambda: any("canary" in name for name in release.addresses()))
        (canary,) = (name for name in release.addresses() if "canary" in name)
        load.reach(2 * STUDIES)
        release.wait("the canary has studies", lambda: requests(release, canary) > 0)
        release.set("canary.enabled=false")
        release.wait("the canary is gone", lambda: canary not in release.all_pods())
        end(load, figure, "canary")


def test_nothing_is_left(release: Release) -> None:
    """After ``helm uninstall``, by which the pods drain."""
    release.helm("uninstall", "triton", "--wait", "--timeout", "8m")
    assert release.pods(SERVERS) == []
    assert "No resources" in release.cluster.kubectl(
        "get", "deployments,services,hpa,pdb,networkpolicies", "--namespace", NAMESPACE, check=False
    )
