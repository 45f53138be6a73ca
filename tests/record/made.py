"""Acts and documents for tests, and a cluster that signs with a key of its own and does nothing else."""

import datetime as dt
import time

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from labkit.errors import ApiRefused
from labkit.kube.api.api import Reply
from labkit.record import entries
from labkit.record.report import Surroundings, report_of
from labkit.record.signature import KEYS_PATH

BEGAN = dt.datetime(2026, 11, 30, 9, tzinfo=dt.UTC)
STEPS = {0: "Prepare", 1: "Inbound", 2: "Outbound"}
HERE = Surroundings("0.1.0", "v1.34.2", "1.30.3", "k3s", "uid-of-it", "school")


def at(minute, kind, **content):
    """An entry of that minute."""
    return entries.new(kind, content, now=BEGAN + dt.timedelta(minutes=minute))


def check(minute, step, *holds, kind="check"):
    """A check whose promises are called p0, p1, …"""
    promises = [
        {"promise": f"p{number}", "holds": held, "seen": f"seen {number} <b>", "hint": ""}
        for number, held in enumerate(holds)
    ]
    return at(minute, kind, step=step, title=f"Step {step}", holds=all(holds), promises=promises)


def answer(minute, step, choice, right):
    return at(minute, "quiz", step=step, question="Why?", answer=choice, words="So.", right=right)


def release(minute, picture=None, outcome="done"):
    health = {"destination": "ServiceC", "requests": 9, "errors": 0, "p50_ms": 3.0, "p95_ms": 9.0}
    step = {"weight": 10, "at": 1.5, "acknowledged_ms": 20.0, "health": [health], "reason": ""}
    return at(
        minute,
        "release",
        to="ServiceC",
        outcome=outcome,
        verdict="✓ ServiceC has 100 %",
        limits={"error_rate": 0.05, "p95_ms": 1000.0},
        before={"ServiceB": 100},
        steps=[step],
        seconds=4.0,
        **({"picture": picture} if picture else {}),
    )


def story():
    """A lesson: step 1 fails twice at its second promise, then holds; step 2 is begun."""
    return [
        at(0, "goto", step=1, finished=False, moves="applied 3 objects", set_aside=""),
        check(1, 1, True, False),
        check(2, 1, True, False),
        answer(3, 1, 2, False),
        answer(4, 1, 1, True),
        check(5, 1, True, True),
        check(6, 1, True, True, kind="task"),
        at(7, "statement", statement="Every answer is a success", holds=True),
        release(8),
        check(9, 2, False, True),
    ]


def document(learner="anna", acts=None):
    found = story() if acts is None else acts
    return report_of(learner, found, STEPS, HERE, kept="cluster", draw=lambda picture: "")


class Signer:
    """As an API server answers a TokenRequest and tells its keys."""

    def __init__(self, kind="EC"):
        self.algorithm = "ES256" if kind == "EC" else "RS256"
        self.key = (
            ec.generate_private_key(ec.SECP256R1())
            if kind == "EC"
            else rsa.generate_private_key(public_exponent=65537, key_size=2048)
        )
        self.tells_keys = True

    @property
    def keys(self):
        form = ECAlgorithm if self.algorithm == "ES256" else RSAAlgorithm
        public = form.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{"use": "sig", "alg": self.algorithm, **public}]}

    def token(self, audiences, namespace, account="default", issued=None):
        issued = int(time.time()) if issued is None else issued
        claims = {
            "iss": "https://kubernetes.default.svc",
            "sub": f"system:serviceaccount:{namespace}:{account}",
            "aud": audiences,
            "iat": issued,
            "nbf": issued,
            "exp": issued + 600,
        }
        return jwt.encode(claims, self.key, self.algorithm)

    def request(self, method, path, *, body):
        _, namespace, _, account, _ = path.removeprefix("/api/v1/").split("/")
        token = self.token(body["spec"]["audiences"], namespace, account)
        return Reply(201, f'{{"status": {{"token": "{token}"}}}}'.encode())

    def get(self, path):
        if not self.tells_keys:
            raise ApiRefused("no", code=403)
        return {KEYS_PATH: self.keys}[path]
