"""Processes of a container: started, fed, watched, stopped, and remembered beyond the daemon's end."""
