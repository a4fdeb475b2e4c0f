# SPDX-License-Identifier: Apache-2.0
"""What each program of the node is told, as files in the cluster's own folder."""

import json
from pathlib import Path

from tests.kubernetes.build import PLUGINS
from tests.kubernetes.namespaces import CGROUP, NODE_ADDRESS

SERVICES = "10.96.0.0/16"
DNS_ADDRESS = "10.96.0.10"
API_ADDRESS = "10.96.0.1"
"""Of the Service ``kubernetes``: the first of its range."""
PODS = "10.244.0.0/24"
NODE = "node"
DOMAIN = "cluster.local"

CONTAINERD = """
version = 2
root = "{home}/containerd"
state = "/run/containerd"
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/library/vcf-pause:1"
  # Where root may not do all: no process is made safer from the out-of-memory killer than this program itself.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{home}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""

NETWORK = {
    "cniVersion": "0.4.0",
    "name": "vcf",
    # A pair of devices for each pod and routes between them: all packets pass the node's iptables, bridges none.
    "plugins": [
        {
            "type": "ptp",
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
                "dataDir": "/run/cni",
            },
        }
    ],
}


def write(home: Path, pki: Path) -> None:
    """All of them."""
    (home / "cni").mkdir()
    (home / "cni" / "10-vcf.conflist").write_text(json.dumps(NETWORK))
    (home / "containerd.toml").write_text(CONTAINERD.format(home=home, plugins=PLUGINS))
    # The names of the cluster are all that there is.
    (home / "resolv.conf").write_text(f"nameserver {DNS_ADDRESS}\n")
    (home / "kubelet.json").write_text(json.dumps(_kubelet(home, pki)))
    (home / "kube-proxy.json").write_text(json.dumps(_proxy(pki)))


def _kubelet(home: Path, pki: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet.key"),
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{CGROUP}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [DNS_ADDRESS],
        "clusterDomain": DOMAIN,
        "resolvConf": str(home / "resolv.conf"),
        "podLogsDir": str(home / "pods"),
        # The machine is not ours alone: its disk may be fuller than a node of its own should be.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }


def _proxy(pki: Path) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": PODS,
        "hostnameOverride": NODE,
        "bindAddress": NODE_ADDRESS,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "clientConnection": {"kubeconfig": str(pki / "kube-proxy.kubeconfig")},
        # The machine's own, which a name space of the network may not change.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }
