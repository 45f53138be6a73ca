"""A world in which a shift can be tried thousands of times: an API with one rule, and traffic by chance.

The rule is changed by the code that changes it on a cluster, by the same JSON Patches; what comes of the
requests follows from its weights and mirrors as they are at that moment.
"""

import copy
import json

import jsonpatch
import numpy as np
import pandas as pd

from labkit.errors import ApiRefused
from labkit.kube.mesh.destinations import Destination
from labkit.release.copies import COPIES, Copies
from labkit.release.course import Shift
from labkit.release.finding import rule_of
from labkit.release.health import Health, Seen
from labkit.release.limits import Limits
from labkit.release.note import as_before
from labkit.release.rule import Rule, as_hundredths
from labkit.release.shadow import planned
from labkit.release.shift import run
from labkit.release.work import Work

from ..clocks import ManualClock

HOME, NAME = "shop", "b-vs"
B, C = {"host": "b", "port": {"number": 80}}, {"host": "c", "port": {"number": 80}}
TO = Destination("c.shop", port=80)


def virtual_service(http=None, **meta):
    http = http or [{"timeout": "3s", "route": [{"destination": B, "weight": 100}, {"destination": C}]}]
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": NAME, "namespace": HOME, "resourceVersion": "1", **meta},
        "spec": {"hosts": ["b"], "http": http},
    }


class Reply:
    def __init__(self, obj):
        self.object = obj


class OneRule:
    """An API server with one VirtualService. ``step`` is called before and after whatever it does."""

    def __init__(self, obj, step=lambda what: None):
        self.obj, self.step, self.writes = obj, step, []

    def find(self, path, **_):
        self.step("before read")
        found = copy.deepcopy(self.obj)
        self.step("after read")
        return found

    def request(self, method, path, *, query, body, content_type):
        assert (method, path.rpartition("/")[2]) == ("PATCH", NAME)
        self.step("before write")
        test, *_ = body
        if test["value"] != self.obj["metadata"]["resourceVersion"]:
            raise ApiRefused(f"test failed: {test['path']}", code=422)
        changed = jsonpatch.apply_patch(self.obj, body)
        changed["metadata"]["resourceVersion"] = str(int(test["value"]) + 1)
        self.obj = changed
        self.writes.append(json.loads(json.dumps(changed)))
        self.step("after write")
        return Reply(copy.deepcopy(changed))


class Proxies:
    """A strategy for proxies that are always as they should be."""

    faults = ()

    def __init__(self, step=lambda what: None):
        self._step = step

    def wait(self, revision, timeout, rules=()):
        self._step("acknowledgement")
        return ()


class ByChance:
    """Traffic that goes by the rule; ``fails`` and ``slow`` are shares of C's requests, ``lost`` of all."""

    def __init__(self, api, clock, *, fails=0.0, slow=0.0, lost=0.0, gone=False, rate=50, seed=1):
        self.api, self.clock, self.rate = api, clock, rate
        self.fails, self.slow, self.lost, self.gone = fails, slow, lost, gone
        self.random = np.random.default_rng(seed)
        self.rows = np.empty((0, 7))
        """Moment, who got it (-1: nobody), failed, slow; whether it was copied, the copy failed, was slow."""
        self.went, self.closed, self.exposed = clock.time(), False, 0

    def start(self):
        self.went = self.clock.time()

    def close(self):
        self.closed = True

    def everything(self):
        return pd.DataFrame()

    def _flow(self):
        """What was sent since the last look."""
        count = int((self.clock.time() - self.went) * self.rate)
        if not count:
            return
        rule, random = rule_of(self.api.obj), self.random
        who = random.choice(len(rule.shares), count, p=rule.shares)
        who = np.where(random.random(count) < self.lost, -1, who)
        to_c = who == 1
        failed = np.where(to_c, random.random(count) < self.fails, who < 0) | (to_c & self.gone)
        slow = to_c & (random.random(count) < self.slow)
        copied = (random.random(count) < next(iter(rule.mirrors.values()), 0.0)) & (who >= 0)
        failing, slowly = (
            copied & (random.random(count) < self.fails),
            copied & (random.random(count) < self.slow),
        )
        at = np.linspace(self.went, self.clock.time(), count, endpoint=False)
        self.rows = np.vstack([self.rows, np.column_stack([at, who, failed, slow, copied, failing, slowly])])
        self.went = self.clock.time()
        self.exposed += int(to_c.sum())

    def _since(self, since):
        self._flow()
        return self.rows[self.rows[:, 0] >= since]

    def answers(self, since):
        return len(self._since(since))

    def seen(self, since):
        rows = self._since(since)
        health = tuple(self._health(name, rows[rows[:, 1] == i]) for i, name in enumerate(("B", "C")))
        return Seen(health, len(rows), int((rows[:, 1] < 0).sum()), "503")

    def copied(self, since, *, of_all):
        rows = self._since(since)
        due = rows[rows[:, 1] >= 0]
        arrived = rows[:0] if self.gone else rows[rows[:, 4] == 1]
        missing = len(due) - len(arrived)
        lost = missing if of_all else 0
        errors, slow = int(arrived[:, 5].sum()) + lost, int(arrived[:, 6].sum())
        health = Health(f"C{COPIES}", len(arrived) + lost, errors, slow, 1, 2, "500")
        return self.seen(since), Copies(health, len(due), missing)

    def _health(self, name, rows):
        return Health(name, len(rows), int(rows[:, 2].sum()), int(rows[:, 3].sum()), 1, 2, "500")


def work(obj=None, *, shadow=None, step=lambda what: None, limits=None, traffic=ByChance, say=None, **how):
    """Everything a shift to C needs in such a world; the rule may be one whose shift was cut off."""
    clock = ManualClock(on_wait=lambda: step("wait"))
    api = OneRule(obj or virtual_service(), step)
    now = rule_of(api.obj)
    rule, limits = as_before(now), limits or Limits()
    wide = now if TO in now.destinations else now.joined_by(C)
    plan = planned(rule, TO, C, shadow, title="C") if shadow else None
    before = dict(zip(("B", "C"), [*as_hundredths(rule), 0], strict=False))
    watch = traffic(api, clock, **how)
    said = [].append if say is None else say
    return Work(api, watch, rule, wide, 1, Shift("C", limits, before), 100, said, plan, Proxies(step), clock)


def shifted(*args, weights=(10, 50, 100), **how):
    """A whole shift; what it worked with."""
    found = work(*args, **how)
    run(found, weights)
    return found


def plain(obj):
    """*obj* without what every write changes."""
    found = copy.deepcopy(obj)
    found["metadata"].pop("resourceVersion")
    return found


def weights_of(obj) -> tuple[int, ...]:
    return Rule(obj, 0).weights
