# SPDX-License-Identifier: Apache-2.0
"""The cluster's names: CoreDNS as a Deployment behind a Service, as clusters have it."""

from typing import Any

from tests.kubernetes import accounts, settings
from tests.kubernetes.accounts import NAMESPACE

NAME = "coredns"
COREFILE = f"""
.:53 {{
    errors
    health
    ready
    kubernetes {settings.DOMAIN} in-addr.arpa
}}
"""
READS: list[dict[str, Any]] = [
    {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


def documents() -> list[dict[str, Any]]:
    """All objects."""
    here = {"name": NAME, "namespace": NAMESPACE}
    return [
        *accounts.reader(NAME, READS),
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": here, "data": {"Corefile": COREFILE}},
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": here,
            "spec": {
                "selector": {"matchLabels": {"k8s-app": NAME}},
                "template": {"metadata": {"labels": {"k8s-app": NAME}}, "spec": _pod()},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": here,
            "spec": {
                "clusterIP": settings.DNS_ADDRESS,
                "selector": {"k8s-app": NAME},
                "ports": [{"name": each.lower(), "port": 53, "protocol": each} for each in ("UDP", "TCP")],
            },
        },
    ]


def _pod() -> dict[str, Any]:
    return {
        "serviceAccountName": NAME,
        "dnsPolicy": "Default",
        "containers": [
            {
                "name": NAME,
                "image": "vcf-coredns:1",
                "imagePullPolicy": "Never",
                "args": ["-conf", "/etc/coredns/Corefile"],
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 2},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns"}],
            }
        ],
        "volumes": [{"name": "config", "configMap": {"name": NAME}}],
    }
