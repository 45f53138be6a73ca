"""CEL, as an API server offers it to the rules of a definition: programs, values, errors.

The language is the CEL project's own implementation (the package ``cel-expr-python``); Kubernetes'
functions are in :mod:`.functions`. The library costs some 80 ms and 16 MB, so it is loaded when the first
rule is asked.
"""

from labkit.embedded.api.kinds.custom.cel.programs import (
    CompilationError,
    EvaluationError,
    check_expression,
    expression,
    program,
    uses_old,
)
from labkit.embedded.api.kinds.custom.cel.values import type_of, value, with_header

__all__ = [
    "CompilationError",
    "EvaluationError",
    "check_expression",
    "expression",
    "program",
    "type_of",
    "uses_old",
    "value",
    "with_header",
]
