"""Flags and files of a single-node Kubernetes in a network namespace of its own.

Ports and addresses are fixed, as nobody else is there. Everybody proves who they are by a token of a file.
"""

import json
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .programs import CNI

NODE, ADDRESS = "labkit", "10.255.0.1"  # as in `contain`, …
PODS, SERVICES, DNS = "10.244.0.0/16", "10.96.0.0/16", "10.96.0.10"  # … and so are the services
SERVER, CONTEXT = f"https://{ADDRESS}:6443", "labkit-kubernetes"
CONTAINERD, KEPT = "/run/containerd/containerd.sock", Path("/run/labkit")
PAUSE = "labkit.test/pause:1"
USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "system:kube-proxy": "",
    f"system:node:{NODE}": "system:nodes",
}
"""User → group."""


def write_credentials(root: Path) -> None:
    """``tokens.csv`` for the server, ``sa.key`` to sign with, and a kubeconfig for each user, by its name."""
    tokens = {user: secrets.token_hex(16) for user in USERS}
    lines = [f"{token},{user},{user},{USERS[user]}\n" for user, token in tokens.items()]
    (root / "tokens.csv").write_text("".join(lines))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, plain = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    (root / "sa.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    for user, token in tokens.items():
        (root / user).write_text(json.dumps(_kubeconfig(root, token)))
        (root / user).chmod(0o600)


def _kubeconfig(root: Path, token: str) -> dict[str, object]:
    authority = str(root / "certs" / "apiserver.crt")  # the server makes it; its own authority is in it
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NODE, "cluster": {"server": SERVER, "certificate-authority": authority}}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": NODE, "user": "user"}}],
        "current-context": CONTEXT,
    }


def etcd() -> list[str]:
    """In memory: nothing of it shall outlive the test, and it may not wait for a disk."""
    return [f"--data-dir={KEPT / 'etcd'}"]


def kube_apiserver(root: Path) -> list[str]:
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={ADDRESS}",
        f"--bind-address={ADDRESS}",
        f"--cert-dir={root / 'certs'}",
        f"--token-auth-file={root / 'tokens.csv'}",
        f"--service-account-key-file={root / 'sa.key'}",
        f"--service-account-signing-key-file={root / 'sa.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-cluster-ip-range={SERVICES}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def kube_controller_manager(root: Path) -> list[str]:
    return [
        f"--kubeconfig={root / 'system:kube-controller-manager'}",
        f"--service-account-private-key-file={root / 'sa.key'}",
        f"--root-ca-file={root / 'certs' / 'apiserver.crt'}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]


def kube_scheduler(root: Path) -> list[str]:
    return [
        f"--kubeconfig={root / 'system:kube-scheduler'}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
    ]


def kubelet(root: Path) -> list[str]:
    (root / "resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        "cgroupDriver": "cgroupfs",
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD}",
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "failCgroupV1": False,
        "failSwapOn": False,
        "imageGCHighThresholdPercent": 100,
        "imageMinimumGCAge": "24h",
        "localStorageCapacityIsolation": False,
        "maxPods": 250,
        "nodeStatusUpdateFrequency": "2s",
        "podLogsDir": str(root / "pods"),
        "resolvConf": str(root / "resolv.conf"),
        "serializeImagePulls": False,
        "volumePluginDir": str(root / "volume-plugins"),
    }
    (root / "kubelet.yaml").write_text(json.dumps(config))
    return [
        f"--config={root / 'kubelet.yaml'}",
        f"--kubeconfig={root / f'system:node:{NODE}'}",
        f"--hostname-override={NODE}",
        f"--node-ip={ADDRESS}",
    ]


def kube_proxy(root: Path) -> list[str]:
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(root / "system:kube-proxy")},
        "clusterCIDR": PODS,
        # Settings of the whole machine, which a namespace may not change: 0 leaves them as they are.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpCloseWaitTimeout": "0s",
            "tcpEstablishedTimeout": "0s",
            "udpStreamTimeout": "0s",
            "udpTimeout": "0s",
        },
        "hostnameOverride": NODE,
        "iptables": {"minSyncPeriod": "0s"},
        "mode": "iptables",
    }
    (root / "kube-proxy.yaml").write_text(json.dumps(config))
    return [f"--config={root / 'kube-proxy.yaml'}"]


def containerd(root: Path) -> list[str]:
    """Pods are joined by routes, not by a bridge: so that a bridge's frames needn't pass iptables."""
    network = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(KEPT / "addresses"),
                    "ranges": [[{"subnet": PODS}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }
        ],
    }
    (root / "cni").mkdir()
    (root / "cni" / "10-pods.conflist").write_text(json.dumps(network))
    (root / "containerd.toml").write_text(_CONTAINERD.format(root=root, cni=CNI, pause=PAUSE))
    return [f"--config={root / 'containerd.toml'}"]


# A process without CAP_SYS_RESOURCE may not be spared more than its parent, and that is then no error.
_CONTAINERD = """\
version = 2
root = "{root}/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs"]

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{cni}"
conf_dir = "{root}/cni"
"""


def coredns(root: Path) -> list[str]:
    """Names of the cluster and no others: there is no outside."""
    corefile = f""".:53 {{
    bind {ADDRESS}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {root / "admin"}
        pods insecure
    }}
}}
"""
    (root / "Corefile").write_text(corefile)
    return ["-conf", str(root / "Corefile")]


DNS_SERVICE = f"""
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system, labels: {{k8s-app: kube-dns}}}}
spec:
  clusterIP: {DNS}
  ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53, protocol: TCP}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: kube-dns, namespace: kube-system, labels: {{kubernetes.io/service-name: kube-dns}}}}
addressType: IPv4
ports: [{{name: dns, port: 53, protocol: UDP}}, {{name: dns-tcp, port: 53, protocol: TCP}}]
endpoints: [{{addresses: [{ADDRESS}], conditions: {{ready: true}}}}]
"""
