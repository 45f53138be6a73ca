"""Data that nobody should write by hand, and what makes it out of published packages.

``python -m labkit.embedded.api.regenerate`` makes it again.
"""

from pathlib import Path

SCHEMAS = Path(__file__).with_name("schemas.json.gz")
"""The OpenAPI schema of every kind served; see :mod:`.schemas`."""
MESSAGES = Path(__file__).with_name("messages.json.gz")
"""The protobuf message of every built-in kind that is written; see :mod:`.messages`."""
