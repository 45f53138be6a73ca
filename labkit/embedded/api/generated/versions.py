"""What the data was made from; another version here, and it has to be made again."""

KUBERNETES = "v1.34.0"
"""The release whose OpenAPI definitions are taken from the Python package kubernetes-validate."""
KUBERNETES_API = "k8s.io/api@v0.34.2"
API_MACHINERY = "k8s.io/apimachinery@v0.34.2"
ISTIO_API = "istio.io/api@v1.31.1"
"""The nearest published module; it is newer than the Istio that is played."""
ISTIO_PLAYED = "1.30"
