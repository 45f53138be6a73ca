"""The embedded cluster: a Kubernetes API, a node of processes and an Istio control plane, one user's.

Nothing outside this package imports it, but for the one module that starts it
(:mod:`labkit.kube.embedded`): everything else meets it through the Kubernetes API.
"""
