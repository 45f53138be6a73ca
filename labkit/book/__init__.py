"""The lab book itself, as the first scenario: a folder of data, see :mod:`labkit.scenario.reading`.

In an installed package ``notebooks`` and ``manifests`` are in this folder; in a checkout they lie at the top
of the repository, where people look for them.
"""
