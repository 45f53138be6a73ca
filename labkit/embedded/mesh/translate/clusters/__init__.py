"""What can be reached: clusters, their policy and endpoints."""
