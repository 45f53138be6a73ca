"""What is done to a cluster, and when: drawn from a seed, so that a failure can be played again."""

import random
from dataclasses import dataclass

SIGNALS = ("SIGKILL", "SIGTERM", "SIGSTOP")
TARGETS = ("daemon", "envoy", "service")
COMMANDS = ("down", "up")
STEPS = 7
ORDINARY, ALL = 5, 50
"""Schedules of an ordinary run, and of one that asks for all."""


@dataclass(frozen=True)
class Step:
    """One thing done: a signal to a process, a labkit command (perhaps killed on its way), or a full disk."""

    action: str
    target: str
    which: int
    """Which of the processes there are, counted round and round."""
    seconds: float
    """How long SIGSTOP and the full disk last, after how long a command is killed; then a pause as long."""

    def __str__(self) -> str:
        return f"{self.action} {self.target} (no. {self.which}, {self.seconds:.2f} s)"


def schedule(seed: int) -> list[Step]:
    """The steps that *seed* stands for."""
    chance = random.Random(seed)
    return [_step(chance) for _ in range(STEPS)]


def _step(chance: random.Random) -> Step:
    action, target = chance.choices(
        [
            *((signal, target) for signal in SIGNALS for target in TARGETS),
            *(("labkit", command) for command in COMMANDS),
            *(("killed labkit", command) for command in COMMANDS),
            ("full", "disk"),
        ],
        weights=[2, 2, 2, 1, 2, 2, 1, 1, 1, 2, 2, 2, 2, 4],
    )[0]
    return Step(action, target, chance.randrange(100), chance.uniform(0.05, 0.6))
