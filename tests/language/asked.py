"""What there is to translate: looked up in the whole package, so once."""

from functools import cache

from labkit.cli.texts.messages import template

asked_for = cache(template)
