"""What containers have written: kept, and read as ``kubectl logs`` asks for it."""
