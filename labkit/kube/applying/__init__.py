"""Manifests and the outside world, applied as kubectl does it."""
