"""The Envoys of the mesh: which there are, and what each says of itself."""
