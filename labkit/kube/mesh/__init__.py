"""Istio's objects and control plane, as the API shows them."""
