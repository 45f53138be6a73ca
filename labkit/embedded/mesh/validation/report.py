"""What a check found: errors, which refuse the object, and warnings, which kubectl prints."""

from __future__ import annotations

import json
from collections.abc import Iterable


class Report:
    """Collects the findings about one object, in the order they are made."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.without_effect: list[str] = []

    def error(self, message: str) -> None:
        self.errors.append(message)

    def errors_from(self, messages: Iterable[str]) -> None:
        self.errors.extend(messages)

    def warning(self, message: str) -> None:
        """A warning in Istio's own words."""
        self.warnings.append(message)

    def ineffective(self, field: str, consequence: str) -> None:
        """A warning of ours: *field* asks for something this cluster does not do (yet)."""
        self.warnings.append(f"{field}: {consequence}")
        self.without_effect.append(self.warnings[-1])

    def text(self) -> str:
        """All errors as istiod prints them: one as it is, several as a list."""
        if len(self.errors) == 1:
            return self.errors[0]
        points = "\n\t".join(f"* {message}" for message in self.errors)
        return f"{len(self.errors)} errors occurred:\n\t{points}\n\n"


def quoted(text: object) -> str:
    """*text* in double quotes, as Go's ``%q`` prints it."""
    return json.dumps(str(text), ensure_ascii=False)
