"""Where a proxy takes connections: listeners, their filter chains and HTTP managers."""
