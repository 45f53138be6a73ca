"""What pods say and what connects to them, through the API server."""
