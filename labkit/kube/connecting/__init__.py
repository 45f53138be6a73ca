"""The way to a cluster, and the first look at it."""
