"""What each proxy is told over SDS: its own certificate, and whom to trust.

The names are those of istiod's agents: ``default`` is the workload's certificate with its key, ``ROOTCA``
what the peers' certificates are verified by. A proxy is given only the certificate of its own pod's account,
and of what is in Secrets only what its own configuration asks for (:mod:`.stored`).
"""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any

from labkit.embedded.interfaces import Client
from labkit.embedded.mesh.identity.authority import Authority, AuthorityError, Credential
from labkit.embedded.mesh.identity.spiffe import account_of, spiffe_id
from labkit.embedded.mesh.identity.stored import NotStoredError, stored
from labkit.embedded.mesh.istiod_log import IstiodLog
from labkit.embedded.mesh.mesh_config import ROOT_NAMESPACE
from labkit.embedded.mesh.model import MeshState
from labkit.embedded.mesh.proxy import Proxy
from labkit.embedded.mesh.snapshot import Resource, Snapshot
from labkit.embedded.mesh.translate.tls.contexts import OWN, TRUSTED, asked_for
from labkit.embedded.status import ApiError

PLUGGED_IN, SELF_SIGNED = "cacerts", "istio-ca-secret"
"""The Secrets of ``istio-system`` that hold an authority."""
OWN_KIND = "istio.io/ca-root"
RETRY = 60.0
_NEW_ROOT = "Multi root is disabled, updating new ROOT-CA not supported"


class Credentials:
    """The authority, and the certificates it has issued to proxies."""

    def __init__(self, authority: Authority, log: IstiodLog) -> None:
        self.authority = authority
        self._log = log
        self._issued: dict[str, tuple[str, Credential]] = {}
        self._plugged_in: object = None
        self._refused: dict[tuple[str, str], str] = {}

    def secrets_for(self, proxy: Proxy, state: MeshState, snapshot: Snapshot) -> dict[str, Resource]:
        """By name; the proxy's own are made when first asked for, and again half-way through their life."""
        account = account_of(state.pod_of(proxy) or {})
        credential = self._credential(proxy.id, spiffe_id(state.mesh.trust_domain, proxy.namespace, account))
        pair = {"certificate_chain": _inline(credential.chain), "private_key": _inline(credential.key)}
        trusted = {"trusted_ca": _inline(self.authority.root)}
        return {
            OWN: {"name": OWN, "tls_certificate": pair},
            TRUSTED: {"name": TRUSTED, "validation_context": trusted},
            **{name: found for name in _named(snapshot) if (found := self._stored(state, proxy, name))},
        }

    def follow(self, state: MeshState) -> bool:
        """Take up a Secret ``cacerts`` that is another one now; whether there was one to take.

        As istiod: what is issued from now on is signed by the new one. One with another root is taken at
        the next start only, as nobody would trust the others until each has a new certificate.
        """
        secret = state.secrets.get((ROOT_NAMESPACE, PLUGGED_IN))
        data = (secret or {}).get("data")
        if secret is None or data == self._plugged_in:
            return False
        self._plugged_in = data
        try:
            found = Authority.from_secret(data or {})
        except AuthorityError as error:
            self._log.error("pkica", f"Failed to update new Plug-in CA certs: {error}")
            return False
        if found.certificate == self.authority.certificate:
            return False
        if found.root.split() != self.authority.root.split():
            self._log.warn("pkica", f"{_NEW_ROOT}: restart istiod")
            return False
        self.authority = found
        self._log.info("pkica", "Istiod has detected the newly added intermediate CA and updated its key")
        return True

    def _stored(self, state: MeshState, proxy: Proxy, name: str) -> Resource | None:
        """What somebody has stored; None, and once a line in the log, where it is not there for *proxy*."""
        key = proxy.namespace, name
        try:
            found = stored(state, proxy, name)
        except NotStoredError as error:
            if self._refused.get(key) != str(error):
                self._log.warn("ads", f"failed to fetch certificate {name} for {proxy.id}: {error}")
            self._refused[key] = str(error)
            return None
        self._refused.pop(key, None)
        return found

    async def renew(self, push: Callable[[], None]) -> None:
        """Call *push* whenever a certificate is due to be renewed, until cancelled."""
        while True:
            due = min((each.renew_at for _, each in self._issued.values()), default=None)
            wait = RETRY if due is None else (due - dt.datetime.now(dt.UTC)).total_seconds()
            await asyncio.sleep(min(max(wait, 1.0), RETRY * 60))
            if self.drop_due(dt.datetime.now(dt.UTC)):
                push()

    def drop_due(self, now: dt.datetime) -> bool:
        """Forget what is to be renewed; whether there was anything. Who is still there is given a new one."""
        kept = {proxy: each for proxy, each in self._issued.items() if each[1].renew_at > now}
        due = len(kept) < len(self._issued)
        self._issued = kept
        return due

    def _credential(self, proxy_id: str, identity: str) -> Credential:
        known = self._issued.get(proxy_id)
        if known and known[0] == identity and known[1].renew_at > dt.datetime.now(dt.UTC):
            return known[1]
        self._issued[proxy_id] = identity, self.authority.issue(identity)
        return self._issued[proxy_id][1]


def _named(snapshot: Snapshot) -> Iterator[str]:
    """The secrets that *snapshot* asks for besides the proxy's own."""
    chains = (chain for each in snapshot.listeners.values() for chain in each.get("filter_chains") or ())
    for each in (*snapshot.clusters.values(), *chains):
        yield from asked_for(each.get("transport_socket") or {})


def _inline(text: str) -> dict[str, Any]:
    """As istiod's agent has it: istioctl looks into certificates in this form only."""
    return {"inline_bytes": base64.b64encode(text.encode()).decode()}


def authority_of(client: Client, trust_domain: str, log: IstiodLog) -> Authority:
    """The one plugged in by the Secret ``cacerts``, else the cluster's own, made where there is none."""
    plugged_in = _read(client, PLUGGED_IN, log)
    if plugged_in is not None:
        log.info("pkica", f"Use plugged-in cert at {ROOT_NAMESPACE}/{PLUGGED_IN}")
        return plugged_in
    known = _read(client, SELF_SIGNED, log)
    if known is not None:
        return known
    made = Authority.self_signed(trust_domain)
    _keep(client, made, log)
    return made


def _read(client: Client, name: str, log: IstiodLog) -> Authority | None:
    secret = client.find("secrets", name, ROOT_NAMESPACE)
    if secret is None:
        return None
    try:
        return Authority.from_secret(secret.get("data") or {})
    except AuthorityError as error:
        log.error("pkica", f"Secret {ROOT_NAMESPACE}/{name} is no certificate authority: {error}")
        return None


def _keep(client: Client, authority: Authority, log: IstiodLog) -> None:
    metadata = {"name": SELF_SIGNED, "namespace": ROOT_NAMESPACE}
    secret = {"metadata": metadata, "type": OWN_KIND, "data": authority.as_secret()}
    try:
        if client.find("secrets", SELF_SIGNED, ROOT_NAMESPACE) is None:
            client.create("secrets", secret)
        else:
            client.patch("secrets", SELF_SIGNED, ROOT_NAMESPACE, {"data": secret["data"]})
    except ApiError as error:  # it signs all the same; a restart makes another one
        log.warn("pkica", f"the certificate authority is not kept in {ROOT_NAMESPACE}/{SELF_SIGNED}: {error}")
