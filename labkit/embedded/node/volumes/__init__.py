"""A pod's files: what its volumes hold, and how they change."""
