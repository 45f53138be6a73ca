"""The services of the scenario: one small real HTTP application each.

``python -m labkit.services service-a`` starts one. They know nothing of the mesh or of labkit's
embedded cluster; the same files are put into a container image for a real one (``Containerfile``).
"""
