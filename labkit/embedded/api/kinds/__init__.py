"""The kinds, a file each: type, columns, defaults, zero values, preparation and validation together.

A new one is a file with a :class:`~.kind.Kind`, a name in :data:`.catalogue.BUILT_IN`, and its schema:
``python -m labkit.embedded.api.regenerate``.
"""
