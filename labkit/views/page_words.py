"""What the page's own code says, in the language that is spoken: each message with its translation.

The code (``page/*.js``) asks for a message by its English, and says that where it was given none.
"""

from __future__ import annotations

from collections.abc import Iterable

import anywidget
import traitlets

from labkit.language import gettext


class Speaking(anywidget.AnyWidget):
    """A widget whose page code has words of its own: *messages*, by their English."""

    words = traitlets.Dict().tag(sync=True)
    """English → what is said."""

    def __init__(self, messages: Iterable[str], **traits: object) -> None:
        super().__init__(words={message: gettext(message) for message in messages}, **traits)
