"""What a translation is made from.

``translate(state, proxy) -> Snapshot`` (:mod:`labkit.embedded.mesh.translate`) is a pure function.
Its :class:`MeshState` is built once per change, from plain Kubernetes objects, and then shared by
the translations for all proxies; everything looked up often is indexed in it, lazily. No input or
output, no protobuf.
"""

from __future__ import annotations

import copy
import dataclasses
import operator
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from labkit.embedded.mesh import ingresses, localities
from labkit.embedded.mesh.configs import Config, configs_of
from labkit.embedded.mesh.container_files import UNIX
from labkit.embedded.mesh.destination_rules import DestinationRules
from labkit.embedded.mesh.envoy_filters import EnvoyFilters
from labkit.embedded.mesh.kubernetes_services import kubernetes_services as read_services
from labkit.embedded.mesh.kubernetes_services import with_workloads
from labkit.embedded.mesh.mesh_config import CONFIG_MAP, ROOT_NAMESPACE, MeshConfig
from labkit.embedded.mesh.peer_authentications import PeerAuthentications
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.resources import (
    AUTHORIZATION_POLICIES,
    CONFIG_MAPS,
    DESTINATION_RULES,
    ENDPOINT_SLICES,
    ENVOY_FILTERS,
    GATEWAYS,
    INGRESS_CLASSES,
    INGRESSES,
    NODES,
    PEER_AUTHENTICATIONS,
    PODS,
    REQUEST_AUTHENTICATIONS,
    SECRETS,
    SERVICE_ENTRIES,
    SERVICES,
    SETTINGS,
    SIDECARS,
    TELEMETRIES,
    VIRTUAL_SERVICES,
    WATCHED,
    WORKLOAD_ENTRIES,
    Key,
    key_of,
)
from labkit.embedded.mesh.security.authorization_policies import AuthorizationPolicies
from labkit.embedded.mesh.security.request_authentications import KeySource, RequestAuthentications
from labkit.embedded.mesh.selected_workloads import SelectedWorkloads
from labkit.embedded.mesh.service_entries import by_address, played_outside, service_entry_services
from labkit.embedded.mesh.services import Service
from labkit.embedded.mesh.sidecars import Scope, Sidecars, led_to, outbound_mode
from labkit.embedded.mesh.telemetries import Telemetries
from labkit.embedded.mesh.virtual_services import MESH, MeshIndex, VirtualServices
from labkit.embedded.objects import Obj, has_labels, labels_of, name_of, namespace_of
from labkit.embedded.open_ports import PortsByPod


class MeshState:
    """Kubernetes' objects at one revision, indexed for the translation. Never changed once built."""

    def __init__(
        self,
        objects: Mapping[str, Iterable[Obj]],
        *,
        mesh: MeshConfig | None = None,
        lowest_port: int = 1024,
        key_sets: Mapping[KeySource, str] | None = None,
        open_ports: PortsByPod | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """*objects* by resource name (:data:`WATCHED`; a missing one is empty).

        *mesh*: the settings; read from the ConfigMap among *objects* where it is not given.
        *lowest_port*: the lowest port this user may bind (``net.ipv4.ip_unprivileged_port_start``).
        *key_sets*: what has been fetched for RequestAuthentications, by where it is.
        *open_ports*: what pods' programs listen on behind their sidecars though the pods declare it nowhere.
        *environment*: istiod's own.
        """
        self._objects = {resource: list(objects.get(resource, ())) for resource in WATCHED}
        self._given_mesh = mesh
        self.mesh = mesh if mesh is not None else MeshConfig.from_config_map(self._config_map())
        self.lowest_port = lowest_port
        self.key_sets: Mapping[KeySource, str] = key_sets or {}
        """What is known of the keys that RequestAuthentications say only the place of."""
        self.open_ports: PortsByPod = open_ports or {}
        """Ports that programs have opened behind their sidecars, and that their pods don't declare."""
        self.environment: Mapping[str, str] = environment or {}
        """The variables of istiod's container, which mesh settings may name."""
        self.scope: Scope | None = None
        """What of the registry is heard of, where a Sidecar says so."""
        self.memo: dict[Any, Any] = {}
        """Results the translations for several proxies share; keys begin with their owner's name."""

    def _config_map(self) -> Obj | None:
        return self.config_maps.get((ROOT_NAMESPACE, CONFIG_MAP))

    @property
    def objects(self) -> Mapping[str, Sequence[Obj]]:
        """What it was built from, by resource name."""
        return self._objects

    def with_others(self, others: Mapping[Key, Obj | None]) -> MeshState:
        """This state with *others* in the place of the objects of their keys; None leaves one out."""
        if not others:
            return self
        objects = {
            resource: [
                found for each in those if (found := others.get(key_of(resource, each), each)) is not None
            ]
            for resource, those in self._objects.items()
        }
        mesh = None if SETTINGS in others else self._given_mesh
        return MeshState(
            objects,
            mesh=mesh,
            lowest_port=self.lowest_port,
            key_sets=self.key_sets,
            open_ports=self.open_ports,
            environment=self.environment,
        )

    @cached_property
    def unrouted(self) -> MeshState:
        """This state without its VirtualServices, which are what changes most.

        What is made from it can't depend on them, and is kept from state to state while nothing else changes:
        see :meth:`routed`. Itself, where without them it would not be known what is called.
        """
        bare = self._with_virtual_services([])
        bare.unrouted = bare
        return bare

    def is_routed_anew(
        self,
        objects: Mapping[str, Sequence[Obj]],
        key_sets: Mapping[KeySource, str],
        open_ports: PortsByPod,
    ) -> bool:
        """Whether a state of *objects* would differ from this one in VirtualServices at most."""
        others = (resource for resource in WATCHED if resource != VIRTUAL_SERVICES)
        return (key_sets, open_ports) == (self.key_sets, self.open_ports) and all(
            _are_the_same(self._objects[each], objects.get(each, ())) for each in others
        )

    def routed(self, virtual_services: Iterable[Obj]) -> MeshState:
        """The state of which this is the :attr:`unrouted` one, with these VirtualServices."""
        state = self._with_virtual_services(virtual_services)
        state.unrouted = self
        return state

    def _with_virtual_services(self, virtual_services: Iterable[Obj]) -> MeshState:
        for name in _IN_COMMON:
            getattr(self, name)  # made once for both
        other = copy.copy(self)
        other._objects = {**self._objects, VIRTUAL_SERVICES: list(virtual_services)}
        other.memo = {}
        for name in ("virtual_services", "unrouted"):
            other.__dict__.pop(name, None)
        return other

    def as_seen_by(self, proxy: Proxy) -> MeshState:
        """This state with the settings of *proxy*'s own: a Sidecar's beside the mesh's."""
        sidecar = self.sidecar_of(proxy)
        scope = Scope.of(sidecar, proxy.namespace)
        mode = outbound_mode(sidecar) or self.mesh.outbound_traffic_policy
        if mode == self.mesh.outbound_traffic_policy and scope is None:
            return self
        key = ("as seen with", mode, scope)
        if key not in self.memo:
            seen = copy.copy(self)
            seen.mesh = dataclasses.replace(self.mesh, outbound_traffic_policy=mode)
            seen.scope = scope
            seen.memo = {}
            # A scope lets in what VirtualServices lead to.
            seen.unrouted = seen if scope is not None else self._other_unrouted(proxy, seen)
            self.memo[key] = seen
        state: MeshState = self.memo[key]
        return state

    def _other_unrouted(self, proxy: Proxy, seen: MeshState) -> MeshState:
        return seen if self.unrouted is self else self.unrouted.as_seen_by(proxy)

    def sidecar_of(self, proxy: Proxy) -> Config | None:
        """The Sidecar that *proxy* goes by; gateways go by none."""
        chosen = self._sidecars.chosen
        return chosen(proxy.namespace, self.labels_of(proxy)) if proxy.kind == "sidecar" else None

    @cached_property
    def _sidecars(self) -> Sidecars:
        return Sidecars(configs_of(self._objects[SIDECARS]), self.mesh.root_namespace)

    @cached_property
    def envoy_filters(self) -> EnvoyFilters:
        return EnvoyFilters(configs_of(self._objects[ENVOY_FILTERS]), self.mesh.root_namespace)

    @cached_property
    def peer_authentications(self) -> PeerAuthentications:
        return PeerAuthentications(configs_of(self._objects[PEER_AUTHENTICATIONS]), self.mesh.root_namespace)

    @cached_property
    def request_authentications(self) -> RequestAuthentications:
        configs = configs_of(self._objects[REQUEST_AUTHENTICATIONS])
        return RequestAuthentications(configs, self.mesh.root_namespace)

    @cached_property
    def authorization_policies(self) -> AuthorizationPolicies:
        configs = configs_of(self._objects[AUTHORIZATION_POLICIES])
        return AuthorizationPolicies(configs, self.mesh.root_namespace)

    @cached_property
    def telemetries(self) -> Telemetries:
        return Telemetries(configs_of(self._objects[TELEMETRIES]), self.mesh)

    @cached_property
    def pods(self) -> Mapping[tuple[str, str], Obj]:
        """By (namespace, name)."""
        return {(namespace_of(pod), name_of(pod)): pod for pod in self._objects[PODS]}

    @cached_property
    def nodes(self) -> Mapping[str, Obj]:
        """By name."""
        return {name_of(each): each for each in self._objects[NODES]}

    @cached_property
    def places_count(self) -> bool:
        """Whether anything asks where a caller is, beyond its locality, or for its labels."""
        return (
            self.destination_rules.asks_for_labels
            or bool(self.mesh.locality_lb_setting.get("failoverPriority"))
            or any(each.traffic_distribution for each in self.kubernetes_services)
        )

    def locality_of(self, proxy: Proxy) -> str:
        """Where *proxy* is; empty where that is not known."""
        pod = self.pod_of(proxy)
        return localities.of_pod(pod, self.nodes) if pod is not None else localities.of_labels(proxy.labels)

    @cached_property
    def secrets(self) -> Mapping[tuple[str, str], Obj]:
        """By (namespace, name)."""
        return {(namespace_of(each), name_of(each)): each for each in self._objects[SECRETS]}

    @cached_property
    def config_maps(self) -> Mapping[tuple[str, str], Obj]:
        """By (namespace, name)."""
        return {(namespace_of(each), name_of(each)): each for each in self._objects[CONFIG_MAPS]}

    def pod_of(self, proxy: Proxy) -> Obj | None:
        return self.pods.get((proxy.namespace, proxy.name))

    def labels_of(self, proxy: Proxy) -> Mapping[str, str]:
        """The proxy's pod labels: live where the pod is known, else those it came with."""
        pod = self.pod_of(proxy)
        return labels_of(pod) if pod is not None else proxy.labels

    @cached_property
    def services(self) -> tuple[Service, ...]:
        """The whole registry, oldest first; one host may stand in it more than once."""
        played = [played_outside(each, self._objects[PODS]) for each in self._service_entries]
        return tuple(sorted([*self.kubernetes_services, *played], key=_age))

    @cached_property
    def _service_entries(self) -> list[Service]:
        defaults = self.mesh.default_service_export_to
        return service_entry_services(self._objects[SERVICE_ENTRIES], defaults, self._workloads)

    def service_entries_at(self, namespace: str, address: str) -> list[Service]:
        """Those of *namespace* that have an endpoint at *address*."""
        return self._entries_by_address.get((namespace, address), [])

    @cached_property
    def _entries_by_address(self) -> Mapping[tuple[str, str], list[Service]]:
        return by_address(self._service_entries)

    @cached_property
    def sockets(self) -> tuple[str, ...]:
        """The addresses of endpoints that are Unix sockets."""
        found = (each.address for one in self.services for those in one.endpoints.values() for each in those)
        return tuple(sorted({each for each in found if each.startswith(UNIX)}))

    @cached_property
    def _workloads(self) -> SelectedWorkloads:
        return SelectedWorkloads(self._objects[WORKLOAD_ENTRIES], self._objects[PODS], self.nodes)

    def kubernetes_service(self, host: str) -> Service | None:
        """The Kubernetes Service whose DNS name *host* is, wherever it is exported to."""
        return self._kubernetes_by_host.get(host.lower().rstrip("."))

    @cached_property
    def _kubernetes_by_host(self) -> Mapping[str, Service]:
        return {each.host: each for each in self.kubernetes_services}

    @cached_property
    def kubernetes_services(self) -> list[Service]:
        """Those of Kubernetes, whoever may see them."""
        defaults = self.mesh.default_service_export_to
        slices = self._objects[ENDPOINT_SLICES]
        found = read_services(self._objects[SERVICES], slices, self.pods, defaults, self.nodes)
        if not self._objects[WORKLOAD_ENTRIES]:
            return found
        selectors = {key_of(SERVICES, each)[1:]: _selector(each) for each in self._objects[SERVICES]}
        chosen = self._workloads.entries
        return [
            with_workloads(each, chosen(each.namespace, selector))
            if (selector := selectors[each.namespace, each.name])
            else each
            for each in found
        ]

    def services_visible_from(self, namespace: str) -> Mapping[str, Service]:
        """The registry as a proxy of *namespace* sees it: host → service, oldest first.

        Where two claim a host, Kubernetes beats a ServiceEntry; else the older one has it.
        """
        key = ("services", namespace)
        if key not in self.memo:
            scope = self.scope if self.scope is not None and self.scope.namespace == namespace else None
            self.memo[key] = self._visible(namespace, scope)
        services: Mapping[str, Service] = self.memo[key]
        return services

    def _visible(self, namespace: str, scope: Scope | None) -> Mapping[str, Service]:
        found: dict[str, Service] = {}
        for each in self.services:
            service = scope.narrowed(each) if scope else each
            known = found.get(each.host)
            if service and each.is_visible_from(namespace) and (known is None or _replaces(each, known)):
                found[each.host] = service
        return found

    def services_called_from(self, namespace: str) -> Mapping[str, Service]:
        """As :meth:`services_visible_from`, with those to which only a VirtualService leads."""
        visible = self.services_visible_from(namespace)
        if self.scope is None or self.scope.namespace != namespace:
            return visible
        found, rest = dict(visible), self._visible(namespace, None)
        for host, port in led_to(self.mesh_index(namespace).ordered):
            other = rest.get(host)
            if other is not None and host not in visible:
                known = found.get(host, dataclasses.replace(other, ports=()))
                ports = tuple(each for each in other.ports if each in known.ports or port in (0, each.number))
                found[host] = dataclasses.replace(other, ports=ports)
        return found

    def mesh_index(self, namespace: str) -> MeshIndex:
        """The VirtualServices of *namespace*'s sidecars, by host."""
        bound = self.virtual_services.bound_to(MESH, namespace)
        scope = self.scope
        return MeshIndex([each for each in bound if scope is None or scope.takes_rules(each)])

    def services_selecting(self, namespace: str, labels: Mapping[str, str]) -> list[Obj]:
        """Kubernetes Services of *namespace* whose selector fits *labels*, oldest first."""
        return [
            service
            for service in self._services_by_age
            if namespace_of(service) == namespace and _selects(service, labels)
        ]

    @cached_property
    def _services_by_age(self) -> list[Obj]:
        return sorted(self._objects[SERVICES], key=_object_age)

    @cached_property
    def gateways(self) -> tuple[Config, ...]:
        """All Gateways, oldest first; those that stand for Ingresses have no age."""
        own = ingresses.gateways_of(self.ingresses, self.mesh)
        return tuple(sorted([*own, *configs_of(self._objects[GATEWAYS])], key=lambda each: each.age))

    @cached_property
    def virtual_services(self) -> VirtualServices:
        defaults = self.mesh.default_virtual_service_export_to
        own = ingresses.virtual_services_of(self.ingresses, self._objects[SERVICES], defaults)
        written = configs_of(self._objects[VIRTUAL_SERVICES], defaults)
        return VirtualServices(sorted([*own, *written], key=lambda each: each.age))

    @cached_property
    def ingresses(self) -> list[Obj]:
        """The Ingresses that are the mesh's."""
        return ingresses.ours(self._objects[INGRESSES], self._objects[INGRESS_CLASSES], self.mesh)

    @cached_property
    def destination_rules(self) -> DestinationRules:
        defaults = self.mesh.default_destination_rule_export_to
        rules = configs_of(self._objects[DESTINATION_RULES], defaults)
        return DestinationRules(rules, self.mesh.root_namespace)


_IN_COMMON = ("services", "kubernetes_services", "pods", "destination_rules", "telemetries")
"""Indexes that states share which differ in their VirtualServices."""


def _are_the_same(one: Sequence[Obj], other: Sequence[Obj]) -> bool:
    """Whether these are the very same objects: what is stored is replaced, never changed."""
    return len(one) == len(other) and all(map(operator.is_, one, other))


def _age(service: Service) -> tuple[str, str, str]:
    # A ServiceEntry has a service for each of its hosts, which are told apart by name, not by place.
    return service.created, service.name if service.from_kubernetes else service.host, service.namespace


def _replaces(service: Service, known: Service) -> bool:
    return service.from_kubernetes and not known.from_kubernetes


def _object_age(obj: Obj) -> tuple[str, str, str]:
    return str(obj["metadata"].get("creationTimestamp") or ""), name_of(obj), namespace_of(obj)


def _selects(service: Obj, labels: Mapping[str, str]) -> bool:
    selector = _selector(service)
    return bool(selector) and has_labels(labels, selector)


def _selector(service: Obj) -> dict[str, str]:
    found: dict[str, str] = (service.get("spec") or {}).get("selector") or {}
    return found
