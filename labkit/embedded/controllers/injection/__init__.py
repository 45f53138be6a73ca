"""Injection: istiod's mutating webhook, which puts a proxy into a pod that is being created."""

from labkit.embedded.controllers.injection.plugin import Injection

__all__ = ["Injection"]
