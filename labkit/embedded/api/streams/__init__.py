"""Connections that stay open to a pod: exec, attach, port-forward, logs, proxy."""
