# SPDX-License-Identifier: Apache-2.0
"""The chart in a real cluster: installed, and drilled while studies come without a pause. None may be lost."""

import re
import time
from collections.abc import Callable

import pytest

from tests.kubernetes import settings
from tests.kubernetes.images import TAG
from tests.kubernetes.load import Load, sending
from tests.kubernetes.release import NAMESPACE, Release, seconds_to_ready

pytestmark = pytest.mark.kubernetes

Note = Callable[..., None]
TLS = {"tls.crt": "triton.crt", "tls.key": "triton.key", "ca.crt": "ca.crt"}
STUDIES = 20
"""How many are answered before a drill begins, and after it."""
FIND = """
import os, pathlib
name = b"/models/" + b"fracture_findings/1/model.py"
found = [each.parent.name for each in pathlib.Path("/proc").glob("[0-9]*/cmdline") if name in each.read_bytes()]
print(*found)
"""
KILL = f"{FIND}os.kill(int(found[0]), 9); print('killed')"
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
    """Triton says that it is ready all the same; the image's entry loads the model anew, and no probe has to."""
    victim = release.ready()[0]

    def process() -> str:
        return release.execute(victim, "python3", "-c", FIND).strip()

    with sending(release.cluster, NAMESPACE) as load:
        load.reach(STUDIES)
        old = process()
        assert "killed" in release.execute(victim, "python3", "-c", KILL)
        back = release.wait("the model has another process", lambda: process() not in ("", old))
        before = requests(release, victim)
        release.wait("it answers studies again", lambda: requests(release, victim) > before)
        assert release.restarts(victim) == 0
        end(load, figure, "killed stub", back_s=round(back, 1))


def test_scaled_up_and_down(release: Release, figure: Note) -> None:
    """By the bounds of the autoscaler, which needs no metrics for them."""
    with sending(release.cluster, NAMESPACE) as load:
        load.reach(STUDIES)
        started = time.monotonic()
        # The annotation is that of the pods that run: nothing but their number changes.
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
        release.set("podAnnotations.round=two", "canary.enabled=true", "canary.image.tag=next")
        release.wait("a canary", lambda: any("canary" in name for name in release.addresses()))
        (canary,) = (name for name in release.addresses() if "canary" in name)
        load.reach(2 * STUDIES)
        release.wait("the canary has studies", lambda: requests(release, canary) > 0)
        release.set("podAnnotations.round=two")
        release.wait("the canary is gone", lambda: canary not in release.all_pods())
        end(load, figure, "canary")


CONNECT = """
import socket, sys
for target in sys.argv[1:]:
    host, port = target.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 5).close()
    except OSError as error:
        print(target, "refused")
    else:
        print(target, "open")
"""


def test_who_may_connect(release: Release, figure: Note) -> None:
    """Clients with the label to gRPC and HTTP; nobody to the metrics but Prometheus; a server to no pod."""
    host = f"triton.{NAMESPACE}.svc"
    dns = f"{settings.DNS_ADDRESS}:53"
    strangers = client(release, "stranger", {}, f"{host}:8001", f"{host}:8000", f"{host}:8002", dns)
    assert strangers == {"8001": "refused", "8000": "refused", "8002": "refused", "53": "open"}
    clients = client(release, "friend", {"vcf-triton/client": "true"}, f"{host}:8001", f"{host}:8000", f"{host}:8002")
    assert clients == {"8001": "open", "8000": "open", "8002": "refused"}
    release.cluster.kubectl("create", "namespace", "monitoring")
    prometheus = {"app.kubernetes.io/name": "prometheus"}
    scraper = client(release, "prometheus", prometheus, f"{host}:8001", f"{host}:8002", namespace="monitoring")
    assert scraper == {"8001": "refused", "8002": "open"}
    # What the node itself listens on, its API server too, is not between pods, and is left alone.
    server, other = release.pods()
    neighbour = f"{other['status']['podIP']}:8001"
    said = release.execute(server["metadata"]["name"], "python3", "-c", CONNECT, dns, neighbour)
    assert said.split() == [dns, "refused", neighbour, "refused"]
    figure(drill="network policy", stranger=strangers, client=clients, prometheus=scraper)


def client(
    release: Release, name: str, labels: dict[str, str], *targets: str, namespace: str = NAMESPACE
) -> dict[str, str]:
    """Which ports a pod reaches."""
    command = ["run", name, "--namespace", namespace, f"--image=vcf-client:{TAG}", "--restart=Never", "--command"]
    words = [f"--labels={key}={value}" for key, value in labels.items()]
    release.cluster.kubectl(*command, *words, "--", "python3", "-c", CONNECT, *targets)
    release.cluster.kubectl(
        *("wait", f"pod/{name}", "--namespace", namespace, "--timeout=120s", "--for=jsonpath={.status.phase}=Succeeded")
    )
    said = release.cluster.kubectl("logs", name, "--namespace", namespace)
    return {target.rpartition(":")[2]: state for target, state in map(str.split, said.splitlines())}


def test_tls_and_a_key(release: Release, figure: Note) -> None:
    """The chart's own test again, by a certificate of the Service's name, with the key that clients must send."""
    pki = release.cluster.home / "pki"
    release.cluster.authority.issue("triton", "triton", hosts=(f"triton.{NAMESPACE}.svc",))
    files = [f"--from-file={name}={pki}/{file}" for name, file in TLS.items()]
    create = ("create", "secret", "generic", "--namespace", NAMESPACE)
    release.cluster.kubectl(*create, "vcf-tls", *files)
    release.cluster.kubectl(*create, "vcf-api-key", "--from-literal=key=a-key", "--from-literal=line=vcf=a-key")
    release.set("tls.secretName=vcf-tls", "apiKey.secretName=vcf-api-key")
    release.wait("the secured servers alone", lambda: len(release.all_pods()) == len(release.ready()) == 2)
    said = release.helm("test", "triton", "--logs", "--timeout", "5m")
    assert "Succeeded" in said
    figure(drill="TLS and key", helm_test="succeeded")


def test_nothing_is_left(release: Release) -> None:
    """After ``helm uninstall``, by which the pods drain."""
    release.helm("uninstall", "triton", "--wait", "--timeout", "8m")
    release.wait("all pods are gone", lambda: not release.all_pods())
    assert "No resources" in release.cluster.kubectl(
        "get", "deployments,services,hpa,pdb,networkpolicies", "--namespace", NAMESPACE, check=False
    )
