"""Plug-ins that every API server has: they complete a pod, or refuse it."""
