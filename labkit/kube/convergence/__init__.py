"""Whether every proxy uses what was applied."""
