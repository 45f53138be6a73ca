"""How long all fuzz tests together take, and by which seed.

One minute in an ordinary run. Ten in one command: ``LABKIT_FUZZ_SECONDS=600 pytest tests/fuzz -n0``; another
seed: ``LABKIT_FUZZ_SEED=7``.
"""

import os

TOTAL = float(os.environ.get("LABKIT_FUZZ_SECONDS", "60"))
SEED = int(os.environ.get("LABKIT_FUZZ_SEED", "1"))

REQUESTS, BODIES, ISTIO_OBJECTS, LOG_LINES = (share * TOTAL for share in (0.2, 0.25, 0.4, 0.15))
"""Seconds of each kind."""
