"""The lab: one object, from which a notebook does everything.

::

    from labkit import Lab

    lab = Lab()                                  # finds the cluster, or starts it
    lab.goto(3)                                  # where step 3 begins
    lab.apply("NAME.yml")                        # kubectl's lines, the rollout, the proxies
    answers = lab.send("/service-a", requests=1000, concurrency=8)
    lab.split(answers)                           # shares, intervals, the test against the weights
    lab.access_log("service-a", of=answers)      # what ServiceA's proxy wrote about them
    lab.metrics("service-a")                     # what it counted: Istio's standard metrics
    lab.check(3)                                 # ✓ or ✗ for each promise of the step

Nothing here knows which cluster it talks to: all goes through the Kubernetes API and the ingress
gateway. Closing gives back connections only; the cluster runs on until `labkit down`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from labkit import istio
from labkit.errors import UsageError
from labkit.kube.api.api import Api
from labkit.kube.api.listing import items_in
from labkit.kube.api.manifests import Source
from labkit.kube.api.resources import DEPLOYMENTS, NODES, PODS
from labkit.kube.api.tables import Table, table, table_of
from labkit.kube.api.wait import wait_for_rollouts
from labkit.kube.applying.apply import Applied, rules_alone
from labkit.kube.applying.as_kubectl import apply_and_tell, delete_and_tell
from labkit.kube.applying.in_force import only_kept
from labkit.kube.connecting.connect import connect
from labkit.kube.convergence.acknowledgement import Acknowledgement
from labkit.kube.convergence.convergence import strategy_for, wait_for_proxies
from labkit.kube.convergence.mesh_health import mesh_first
from labkit.kube.mesh.gateway import GatewayAddress, find_gateway, is_url
from labkit.kube.mesh.mesh_config import OutboundMode, set_outbound_mode, set_outbound_mode_of
from labkit.kube.mesh.ways import RuleName
from labkit.kube.pods import logs as pod_logs
from labkit.kube.proxies.injection import gets_proxy
from labkit.kube.proxies.proxies import CONTAINER
from labkit.language import chosen, gettext, speak
from labkit.picturing import Picturing
from labkit.record.keeping import Record
from labkit.release.managers import refuse_other_routes
from labkit.scenario import steps
from labkit.scenario.cast import SYSTEM
from labkit.scenario.checking import check
from labkit.scenario.checks import Report, Verified, verify
from labkit.scenario.hints import explained
from labkit.scenario.learner import Learner
from labkit.scenario.neighbours import refuse_any_host_beside_a_class, told_of_any_host
from labkit.scenario.place import bring_to, make_up_for
from labkit.scenario.set_aside import bring_back, kept_aside
from labkit.shifting import Shifting
from labkit.traffic.curl import Answer
from labkit.traffic.journal import Journal
from labkit.traffic.requests import Requests
from labkit.traffic.sent import Sent
from labkit.traffic.target import Headers, Target
from labkit.views.notebook_shell import offer_kubectl, tell_shortly
from labkit.views.theme import know

if TYPE_CHECKING:
    from labkit.kube.api.follow import Line
    from labkit.views.guide import Guide
    from labkit.views.quiz import QuizView
    from labkit.views.task import TaskView


class Lab(Shifting, Picturing):
    """A cluster with a mesh, and everything a learner does with it.

    context: a context of the kubeconfig; by default ``LABKIT_CONTEXT``, else the embedded cluster,
        which is started where it does not run.
    kubeconfig: path of a kubeconfig file.
    namespace: where objects go that name no namespace; by default the scenario's home.
    user: one's name in a class on one cluster; by default ``LABKIT_USER``, else one works alone.
    images: where images of the lab's own services are; by default ``LABKIT_IMAGES``, else the scenario's.
    language: what the lab speaks from now on; by default ``LABKIT_LANGUAGE``, else the locale's.
    scenario: the folder of another scenario than the book's; by default ``LABKIT_SCENARIO``, else the book.
    """

    def __init__(
        self,
        *,
        context: str | None = None,
        kubeconfig: str | Path | None = None,
        namespace: str | None = None,
        user: str | None = None,
        images: str | None = None,
        language: str | None = None,
        scenario: str | Path | None = None,
    ) -> None:
        speak(chosen(language))
        self.learner = Learner.here(user, images, scenario)
        sharing = self.learner.scenario.sharing
        know(self.learner.scenario.colours, sharing.between if sharing else ())
        self.api: Api = connect(kubeconfig=kubeconfig, context=context)
        refuse_any_host_beside_a_class(self.api, self.learner)
        self.namespace = namespace or self.learner.home
        self._strategy = strategy_for(self.api, (*self.learner.namespaces, SYSTEM))
        self._places = self.learner.places(self.api)
        journal = Journal(self.api, namespaces=self._places, authorities=self.learner.authorities)
        self._sent = Sent(journal)
        self.record = Record(self.api, self.learner)
        self._gateway: GatewayAddress | None = None
        tell_shortly()
        if not self.api.shared:
            offer_kubectl(self.api.kubeconfig)
        istio.ensure(self.api)
        if told := told_of_any_host(self.api, self.learner):
            print(told)

    def __enter__(self) -> Lab:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give back the connections. The cluster runs on; closing twice is fine."""
        self.record.close()
        self.api.close()

    def __repr__(self) -> str:
        return f"<Lab on {self.api.host}>"

    # ------------------------------------------------------------------------------------ the cluster

    def manifest(self, manifest: str | Path) -> Source:
        """A manifest of the scenario by its file name, or any other by its path; shows itself as YAML."""
        return steps.shown_manifest(manifest, self.learner)

    def apply(
        self, manifest: str | Path | Source, *, namespace: str | None = None, timeout: float = 120.0
    ) -> Applied:
        """Apply a manifest (file name, path or YAML text) and wait until it holds.

        Prints the kubectl command that does the same and what kubectl would say, waits until every
        Deployment is rolled out and every proxy has acknowledged the change.

        namespace: for objects that name none; by default the one the scenario puts this file into.
        timeout: seconds for the rollout. Raises ManifestError, ApiRefused or WaitFailed with the reason, and
        UsageError for other routes of a rule than the controller's that steers it.
        """
        source, target = self._found(manifest, namespace)
        refuse_other_routes(self.api, source, target)
        objects = apply_and_tell(self.api, source, target, timeout=timeout)
        make_up_for(self.api, [one.name for one in objects if one.resource.kind == "Namespace"])
        acknowledged = self._wait_for_proxies(rules_alone(objects))
        print(acknowledged, *only_kept(self.api, objects), sep="\n")
        return Applied(tuple(objects), acknowledged)

    def delete(self, manifest: str | Path | Source, *, namespace: str | None = None) -> None:
        """Delete the objects of a manifest, and wait until they are gone and every proxy knows."""
        source, target = self._found(manifest, namespace)
        delete_and_tell(self.api, source, target)
        print(self._wait_for_proxies())

    def _found(self, manifest: str | Path | Source, namespace: str | None) -> tuple[Source, str]:
        source = manifest if isinstance(manifest, Source) else self.manifest(manifest)
        its_own = self.learner.scenario.namespace_of(source.path) if source.path else None
        return source, namespace or (self.learner.own(its_own) if its_own else self.namespace)

    def wait(self, *, timeout: float = 120.0) -> Acknowledgement:
        """Wait until every Deployment of the lab is rolled out and every proxy uses all there is."""
        found = items_in(self.api, DEPLOYMENTS, self.learner.namespaces)
        names = [(obj["metadata"]["namespace"], obj["metadata"]["name"]) for obj in found]
        wait_for_rollouts(self.api, names, timeout=timeout)
        return self._wait_for_proxies()

    def pods(self, namespace: str = "") -> pd.DataFrame:
        """`kubectl get pods`, of all namespaces where none is named; on a shared cluster of the lab's."""
        return table(self.api, PODS, namespace) if namespace else table_of(self.api, PODS, self._places)

    def nodes(self) -> pd.DataFrame:
        """`kubectl get nodes`."""
        return table(self.api, NODES)

    def gets_proxy(self, namespace: str) -> bool:
        """Whether a pod made in *namespace* now would get a sidecar (tried in a dry run)."""
        return gets_proxy(self.api, namespace)

    def proxies(self) -> pd.DataFrame:
        """Every proxy, whether it uses what it was sent, and if not, why."""
        states = self._wait_for_proxies().proxies
        return Table([vars(state) for state in states], columns=["proxy", "state", "error"])

    def logs(self, workload: str, container: str | None = None, *, tail: int | None = None) -> str:
        """`kubectl logs` of a workload's pods; by default of its proxy."""
        found = self.learner.workload(workload)
        pods = pod_logs.pods(self.api, found.selector, found.namespace)
        read_logs = pod_logs.read(self.api, pods, container or CONTAINER, tail=tail)
        return "".join(log.content.decode(errors="replace") for log in read_logs)

    def follow(self, workload: str, container: str | None = None, *, seconds: float = 60.0) -> Iterator[Line]:
        """What a workload's pods write from now on, for *seconds*: `kubectl logs -f`, past restarts."""
        from labkit.kube.api.follow import Following

        found = self.learner.workload(workload)
        with Following(self.api, {"app": found.app}, found.namespace, container or CONTAINER) as following:
            yield from following.until(time.monotonic() + seconds)

    def outbound_policy(self, mode: OutboundMode) -> Acknowledgement:
        """Set ``meshConfig.outboundTrafficPolicy.mode`` and wait until every proxy follows it.

        ``REGISTRY_ONLY``: hosts the mesh does not know are refused. ``ALLOW_ANY``: they are passed through.
        In class mode and on a shared mesh a Sidecar sets it for the learner's own namespace alone.
        """
        if self.learner.is_among_others(self.api):
            set_outbound_mode_of(self.api, self.learner.home, mode)
        else:
            set_outbound_mode(self.api, mode)
        return self._wait_for_proxies()

    def outside(
        self,
        *hosts: str,
        pages: Mapping[str, object] | None = None,
        to_https: bool = False,
        file: str | Path | None = None,
    ) -> pd.DataFrame:
        """Let the lab play *hosts* of the outside world, for lessons that call them: ``edition.example``.

        They answer by HTTP and HTTPS, and say in each answer that they are stand-ins. Pods find them by
        their names, as they would find the real ones; the mesh knows them by a ServiceEntry or not at all.
        Their certificate is of an authority of the lab's own, which ``curl`` in pods trusts.

        pages: path → text (or a Path of a file, or what becomes JSON) that is answered there word for word.
        to_https: plain HTTP is answered by a redirect. file: a YAML file, host → pages and to_https.
        Returns all hosts that are played; without arguments that is all it does. Undo: :meth:`outside_gone`.
        """
        from labkit.kube.applying import outside

        entered = {host: outside.host_of(pages, to_https) for host in hosts}
        if file is not None:
            entered |= outside.of_file(file)
        if entered:
            outside.enter(self.api, entered)
            self._wait_for_proxies()
        rows = [(name, one.to_https, ", ".join(one.pages)) for name, one in outside.entered(self.api).items()]
        return Table(rows, columns=["host", "to_https", "pages"])

    def outside_gone(self, *hosts: str) -> None:
        """Play *hosts* no more; without arguments, none at all."""
        from labkit.kube.applying import outside

        outside.forget(self.api, *hosts)
        self._wait_for_proxies()

    def istio_install(self, *flags: str) -> Acknowledgement:
        """`istioctl install -y --set FLAG …` with the lesson's own flags and these; prints its ticks."""
        asked = istio.parse([*istio.LESSON_FLAGS, *flags])
        for warning in istio.judge(asked):
            print(f"! {warning}")
        istio.install(self.api, istio.settings(asked), lambda part: print(f"✔ {part}"))
        self._gateway = None
        return self._wait_for_proxies()

    def _wait_for_proxies(self, rules: Collection[RuleName] = ()) -> Acknowledgement:
        return wait_for_proxies(self.api, rules=rules, strategy=self._strategy)

    # -------------------------------------------------------------------------------------- traffic

    @property
    def gateway(self) -> GatewayAddress:
        """Where requests enter: what the scenario calls ``GATEWAY_URL``."""
        if self._gateway is None or not self._gateway.accepts():
            self._gateway = find_gateway(self.api)
        return self._gateway

    def curl(self, path: str, *, headers: Headers | None = None, timeout: float = 30.0) -> Answer:
        """One request through the gateway: the transcript of `curl -v`, and the answer."""
        with mesh_first(self.api, self._places):
            return self._sent.curl(self._url(path), headers=headers, timeout=timeout)

    def send(
        self,
        path: str,
        *,
        requests: int = 100,
        concurrency: int = 1,
        headers: Headers | None = None,
        timeout: float = 30.0,
        halfway: Callable[[], object] | None = None,
    ) -> pd.DataFrame:
        """Many requests through the gateway; one row each, see :mod:`labkit.traffic.answers`.

        halfway: is called when half of the requests are answered, while the others go on.

        The column ``request_id`` is the mesh's own, taken from the gateway's access log, so that a
        frame of answers and a frame of access-log lines can be joined. (It is found by our mark in the
        User-Agent: requests whose *headers* have another are not found.)
        """
        from labkit.scenario.splitting import by_title

        answers = self._sent.send(
            self._url(path),
            requests=requests,
            concurrency=concurrency,
            headers=headers,
            timeout=timeout,
            halfway=halfway,
        )
        return by_title(self.learner.scenario, answers)

    def access_log(self, workload: str, of: Requests | None = None) -> pd.DataFrame:
        """The access log of a workload's proxies, see :mod:`labkit.traffic.access_log`.

        of: only the lines of these requests. The lines of the newest requests are waited for. What is
        no access-log line is kept in ``attrs["unparsed"]``.
        """
        found = self.learner.workload(workload)
        return self._sent.access_log(found.app, found.selector, found.namespace, of)

    def hops(self, of: Requests) -> pd.DataFrame:
        """The lines of these requests in every proxy's access log, as they began.

        Those of a single request, an answer of curl(), come in the order in which it travelled. ``request``
        is the id of the request when it came in; ``request_id`` is the line's own, as each gateway makes one.
        """
        return self._sent.hops(of)

    def routes(self, workload: str, *, all: bool = False) -> pd.DataFrame:
        """The routing table of a workload's proxy, asked of itself, see :mod:`labkit.kube.proxies.routes`.

        all: every route, also Istio's own; by default what VirtualServices say, and the lab's Services.
        """
        from labkit.kube.proxies.routes import routes

        found = self.learner.workload(workload)
        known = self.learner.namespaces
        return routes(self.api, found.app, found.namespace, known=known, everything=all)

    def metrics(self, workload: str, metric: str = "") -> pd.DataFrame:
        """What a workload's proxies have counted since they started, see :mod:`labkit.kube.proxies.metrics`.

        metric: a name such as ``istio_requests_total``; by default all of Istio's standard metrics.
        """
        from labkit.kube.proxies.metrics import metrics

        found = self.learner.workload(workload)
        return metrics(self.api, found.app, found.namespace, metric)

    def _url(self, path: str) -> Target:
        if not isinstance(path, str):
            raise UsageError(
                gettext(
                    'A path is a text such as "{usual}", not {path!r}.',
                    usual=self.learner.scenario.path,
                    path=path,
                )
            )
        return Target(path if is_url(path) else self.gateway.url(path), self.learner.headers)

    # ------------------------------------------------------------------------------------- the lesson

    def check(self, step: int) -> Report:
        """Whether each promise of a step holds, by what is observed now; what does not, with a hint."""
        return self.record.report(explained(self.api, self.learner, check(self, step)))

    def verify(self, statement: str, holds: object) -> Verified:
        """The *statement* with a ✓ where it *holds*; NotVerified, with a ✗, where it does not."""
        self.record.statement(statement, holds)
        return verify(statement, holds)

    def goto(self, step: int, *, finished: bool = False, say: Callable[[str], None] | None = None) -> None:
        """Bring the cluster to where *step* begins (with *finished*: to where it ends), from any state.

        What is your own and in the way is set aside first, and named; :meth:`bring_back` brings it back.

        say: is told what is being done; by default what was done is printed at the end.
        """
        keep = partial(kept_aside, self.api, self.learner)
        with mesh_first(self.api, self._places):
            moves = bring_to(self.api, self.learner, step, finished=finished, say=say, keep=keep)
        self._gateway = self.api.last_refusal = None
        self._sent.forget()
        self.record.way(moves.step, finished=finished, moves=str(moves), set_aside=moves.kept)
        done = gettext("To get here: {moves}.", moves=moves) if moves and not say else ""
        here = self._ends_here(moves.step) if finished else self._begins_here(moves.step)
        for words in (moves.kept, done, here):
            if words:
                (say or print)(words)

    def _begins_here(self, step: int) -> str:
        return gettext("Here step {step} begins: {title}.", step=step, title=self._title(step))

    def _ends_here(self, step: int) -> str:
        return gettext("Here step {step} is done: {title}.", step=step, title=self._title(step))

    def _title(self, step: int) -> str:
        return self.learner.scenario.said(self.learner.scenario.find_step(step).title)

    def bring_back(self, file: str | Path | None = None) -> None:
        """Bring back what goto set aside last, or what is in *file*, as it was; what is there now stays.

        What of it has been changed meanwhile is set aside in its turn.
        """
        titles = []
        for title in bring_back(self.api, self.learner, file):
            print(gettext("{title} brought back", title=title))
            titles.append(title)
        self.record.brought_back(titles)
        print(self.wait())

    def guide(self, step: int) -> Guide:
        """Where one stands in *step*, with buttons to check it and to be brought there."""
        from labkit.views.guide import Guide

        return Guide(self, step)

    def task(self, step: int) -> TaskView:
        """The task at the end of *step*, with hints and a solution; ``.check()`` looks whether it is done."""
        from labkit.views.task import TaskView

        return TaskView(self, step)

    def quiz(self, step: int) -> QuizView:
        """A question about *step* to think about before trying."""
        from labkit.views.quiz import QuizView

        return QuizView(step, self.learner, self.record.answer)

    def reset(self) -> None:
        """Remove everything the lab has made: back to where step 0 begins."""
        self.goto(0)
