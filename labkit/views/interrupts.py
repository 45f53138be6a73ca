"""A cell that a learner stops says so in a sentence, not in forty lines about where it stood."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

WORDS = "Stopped: this cell did not come to its end. Run it again, or go on with the next one."


def tell_shortly() -> None:
    """From now on a notebook tells KeyboardInterrupt in one sentence, unless its kernel has its own ways."""
    if "IPython" not in sys.modules:  # nor is this a notebook; importing it takes its time
        return
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    if shell is not None and not shell.custom_exceptions:
        shell.set_custom_exc((KeyboardInterrupt,), _tell)


def _tell(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    _: TracebackType,
    tb_offset: int | None = None,
) -> list[str]:
    shell._showtraceback(kind, error, [WORDS])
    return [WORDS]
