"""The flags of ``istioctl install``: ``--set path=value`` and IstioOperator files, put together and judged.

A path is *honoured* (it changes what is installed), *known* (Istio has it, this mesh does without:
a warning) or unknown (an error that names the nearest one, because it is most likely misspelt).
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from labkit.errors import UsageError
from labkit.language import gettext

Tree: TypeAlias = dict[str, Any]
"""The ``spec`` of an IstioOperator, or a part of it."""

_GATEWAY = """
name enabled namespace label.*
k8s.replicaCount k8s.resources.** k8s.service.type k8s.podAnnotations.* k8s.serviceAnnotations.*
"""

HONOURED = [
    "profile",
    "components.base.enabled",
    "components.pilot.enabled",
    "components.pilot.k8s.replicaCount",
    "components.pilot.k8s.resources.**",
    *(f"components.{kind}Gateways[].{rest}" for kind in ("ingress", "egress") for rest in _GATEWAY.split()),
    "meshConfig.accessLogFile",
    "meshConfig.accessLogEncoding",
    "meshConfig.accessLogFormat",
    "meshConfig.outboundTrafficPolicy.mode",
    "values.pilot.replicaCount",
    "values.pilot.resources.**",
    "values.global.proxy.resources.**",
    "values.gateways.istio-ingressgateway.enabled",
    "values.gateways.istio-ingressgateway.resources.**",
    "values.gateways.istio-egressgateway.enabled",
    "values.gateways.istio-egressgateway.resources.**",
]

_MESH_CONFIG = """
accessLogFile ca.** caCertificates.** certificates.** configSources.** connectTimeout
defaultConfig.** defaultDestinationRuleExportTo.** defaultHttpRetryPolicy.** defaultProviders.**
defaultServiceExportTo.** defaultVirtualServiceExportTo.** disableEnvoyListenerLog discoverySelectors.**
dnsRefreshRate enableAutoMtls enableEnvoyAccessLogService enablePrometheusMerge enableTracing
extensionProviders.** h2UpgradePolicy inboundClusterStatName inboundTrafficPolicy.** ingressClass
ingressControllerMode ingressSelector ingressService localityLbSetting.** meshMTLS.**
outboundClusterStatName outboundTrafficPolicy.** pathNormalization.** proxyHttpPort
proxyInboundListenPort proxyListenPort rootNamespace serviceScopeConfigs.** serviceSettings.**
tcpKeepalive.** thriftConfig.** tlsDefaults.** trustDomain trustDomainAliases.** verifyCertificateAtClient
"""

_GATEWAY_K8S = """
affinity.** env.** envFrom.** hpaSpec.** imagePullPolicy livenessProbe.** nodeSelector.** overlays.**
podDisruptionBudget.** priorityClassName readinessProbe.** securityContext.** service.** strategy.**
tolerations.** volumeMounts.** volumes.**
"""

_GLOBAL = """
autoscalingv2API caAddress caName certSigners.** configCluster configValidation configRootNamespace
createRemoteSvcEndpoints defaultNodeSelector.** defaultPodDisruptionBudget.** defaultResources.**
defaultTolerations.** externalIstiod hub imagePullPolicy imagePullSecrets.** ipFamilies.** ipFamilyPolicy
istioNamespace istiod.** jwtPolicy localityLbSetting.** logAsJson logging.** meshID meshNetworks.**
mountMtlsCerts multiCluster.** nativeNftables network networkPolicy.** omitSidecarInjectorConfigMap
operatorManageWebhooks pilotCertProvider platform podDNSSearchNamespaces.** priorityClassName proxy.**
proxy_init.** remotePilotAddress resourceScope sds.** sts.** tag tracer.** trustBundleName
useMCP variant waypoint.**
"""

_OTHERS = """
hub tag revision namespace compatibilityVersion installPackagePath unvalidatedValues.**
components.base.** components.pilot.** components.cni.** components.ztunnel.** components.istiodRemote.**
values.base.** values.cni.** values.istio_cni.** values.istiodRemote.** values.pilot.**
values.sidecarInjectorWebhook.** values.telemetry.** values.ztunnel.** values.experimental.**
values.gateways.istio-ingressgateway.** values.gateways.istio-egressgateway.**
values.gateways.securityContext.** values.gateways.seccompProfile.**
values.defaultRevision values.revision values.revisionTags.** values.ownerName values.profile
values.platform values.compatibilityVersion values.meshConfig.**
"""

_KINDS = ("ingress", "egress")

KNOWN = [
    *_OTHERS.split(),
    *(f"meshConfig.{rest}" for rest in _MESH_CONFIG.split()),
    *(f"values.global.{rest}" for rest in _GLOBAL.split()),
    *(f"components.{kind}Gateways[].k8s.{rest}" for kind in _KINDS for rest in _GATEWAY_K8S.split()),
    *(f"components.{kind}Gateways[].{rest}" for kind in _KINDS for rest in ("hub", "tag")),
]

CHOICES = {
    "profile": ("default", "demo", "minimal", "empty"),
    "meshConfig.accessLogEncoding": ("TEXT", "JSON"),
    "meshConfig.outboundTrafficPolicy.mode": ("REGISTRY_ONLY", "ALLOW_ANY"),
}


def parse(flags: list[str]) -> Tree:
    """``["a.b[0].c=v", …]`` as a tree; later flags win."""
    tree: Tree = {}
    for flag in flags:
        path, equals, value = flag.partition("=")
        if not equals or not path:
            raise UsageError(gettext("`--set {flag}` is no path=value.", flag=flag))
        _put(tree, _steps(path), _typed(value))
    return tree


def _steps(path: str) -> list[str | int]:
    """``a.b\\.c[0]`` as ``["a", "b.c", 0]``."""
    steps: list[str | int] = []
    for part in re.split(r"(?<!\\)\.", path):
        found = re.fullmatch(r"([^\[\]]+)((?:\[\d+\])*)", part)
        if not found:
            raise UsageError(
                gettext("`--set {path}`: {part!r} is no name, nor name[number].", path=path, part=part)
            )
        steps.append(found[1].replace("\\.", "."))
        steps += [int(number) for number in re.findall(r"\d+", found[2])]
    return steps


def _typed(value: str) -> Any:
    if value in ("true", "false"):
        return value == "true"
    return int(value) if re.fullmatch(r"-?\d+", value) else value


def _put(tree: Any, steps: list[str | int], value: Any) -> None:
    for step, following in itertools.pairwise(steps):
        empty: Any = [] if isinstance(following, int) else {}
        tree = _enter(tree, step, empty)
    if isinstance(steps[-1], int):
        _enter(tree, steps[-1], None)
    tree[steps[-1]] = value


def _enter(tree: Any, step: str | int, empty: Any) -> Any:
    """``tree[step]``, made where it is missing; a list grows up to the number asked for."""
    if isinstance(step, int):
        if step > len(tree):
            raise UsageError(
                gettext(
                    "`--set …[{step}]`: the list has {number} entries so far; count from 0 without gaps.",
                    step=step,
                    number=len(tree),
                )
            )
        if step == len(tree):
            tree.append(empty)
    elif not isinstance(tree.get(step), type(empty)):
        tree[step] = empty
    return tree[step]


def merged(below: Any, above: Any) -> Any:
    """*above* laid over *below*: mappings by key, gateways (lists of mappings) by name, the rest whole."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {key: merged(below.get(key), above.get(key)) for key in {**below, **above}}
    if (
        isinstance(below, list)
        and isinstance(above, list)
        and all(isinstance(e, dict) for e in below + above)
    ):
        named = {entry.get("name", index): entry for index, entry in enumerate(below)}
        for index, entry in enumerate(above):
            key = entry.get("name", list(named)[index] if index < len(named) else index)
            named[key] = merged(named.get(key), entry)
        return list(named.values())
    return below if above is None else above


def judge(tree: Tree) -> list[str]:
    """The warnings for what is asked but does nothing here; UsageError for what Istio does not know."""
    warnings = []
    for path, value in leaves(tree):
        if any(_fits(path, pattern) for pattern in HONOURED):
            _check_choice(path, value)
        elif any(_fits(path, pattern) for pattern in KNOWN):
            warnings.append(gettext("{path} is Istio's, but has no effect in this mesh.", path=path))
        else:
            raise UsageError(
                gettext("Istio has no setting {path}.", path=path) + _nearest(path, HONOURED + KNOWN)
            )
    return warnings


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of *tree* with its path, as ``--set`` takes it."""
    if isinstance(tree, dict) and tree:
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)
    elif isinstance(tree, list) and tree:
        for index, value in enumerate(tree):
            yield from leaves(value, f"{path}[{index}]")
    elif path:
        yield path, tree


def _fits(path: str, pattern: str) -> bool:
    """Whether *path* is one of *pattern*: ``[]`` any number, ``*`` one name, ``**`` all that follows."""
    if pattern.endswith(".**"):
        stem = _expression(pattern[:-3])
        return re.fullmatch(rf"{stem}([.\[].*)?", path) is not None
    return re.fullmatch(_expression(pattern), path) is not None


def _expression(pattern: str) -> str:
    return re.escape(pattern).replace(r"\[\]", r"\[\d+\]").replace(r"\*", r".+")


def _check_choice(path: str, value: Any) -> None:
    choices = CHOICES.get(path)
    if choices and value not in choices:
        raise UsageError(
            gettext(
                "{path}={value} makes no sense; choose {choices}.",
                path=path,
                value=value,
                choices=gettext(" or ").join(choices),
            )
        )


def _nearest(path: str, patterns: list[str]) -> str:
    plain = [pattern.removesuffix(".**").removesuffix(".*").replace("[]", "[0]") for pattern in patterns]
    found = difflib.get_close_matches(path, plain, n=1, cutoff=0.5)
    return " " + gettext("Did you mean {nearest}?", nearest=found[0]) if found else ""
