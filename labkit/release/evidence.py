"""When what was seen is enough to judge by: Wald's sequential probability ratio test.

Each request of a destination counts as it comes, for or against. The test ends as soon as the two
hypotheses, a share of failures of ``good`` and one of ``bad``, can be told apart; so what is clearly
broken is found out by a few requests, and what is well is not stopped by an unlucky one.

The error rates are those asked for, whatever the number of looks: of those destinations whose share is
``good`` or less at most about ``ALPHA`` are called bad, of those whose share is ``bad`` or more at most
about ``BETA`` are called good. Between the two either may come out.

Source: A. Wald, Sequential Tests of Statistical Hypotheses, Annals of Mathematical Statistics 16 (1945).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

ALPHA = BETA = 0.001

Judgement = Literal["good", "bad", "open"]


@dataclass(frozen=True)
class SequentialTest:
    """Tells a share of failures of *good* from one of *bad*; both 0 to 1."""

    good: float
    bad: float
    at_least: int = 0
    """Requests without which nothing is called good."""

    def judge(self, failures: int, requests: int) -> Judgement:
        """What so many *failures* in *requests* show."""
        if self.bad <= 0:  # no failure is allowed: the first one tells
            return "bad" if failures else self._good(requests >= self.at_least, requests)
        if self.bad >= 1:  # all may fail
            return self._good(requests >= self.at_least, requests)
        ratio = self.log_ratio(failures, requests)
        if ratio >= math.log((1 - BETA) / ALPHA):
            return "bad"
        return self._good(ratio <= math.log(BETA / (1 - ALPHA)), requests)

    def log_ratio(self, failures: int, requests: int) -> float:
        """The logarithm of how much likelier they are with *bad* than with *good*."""
        fine = requests - failures
        return failures * math.log(self.bad / self.good) + fine * math.log((1 - self.bad) / (1 - self.good))

    def _good(self, shown: bool, requests: int) -> Judgement:
        return "good" if shown and requests >= self.at_least else "open"
