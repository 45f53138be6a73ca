"""A Kubernetes API as a client meets it: objects, lists, watches, refusals."""
