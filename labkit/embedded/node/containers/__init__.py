"""One container: its image, its start, its health, its end."""
