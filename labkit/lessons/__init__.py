"""Programs of other people's lessons, as small ones of ours that answer alike.

``python -m labkit.lessons NAME ARGUMENT…`` starts one. Each was written from what the original does, seen
from outside: its paths, fields, headers, status codes, log lines, ports, variables and arguments. They
know nothing of the mesh or of labkit's cluster, and are imported only in the pod that runs them.
"""
