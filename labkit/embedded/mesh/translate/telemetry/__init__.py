"""What proxies tell about what passes: metrics, access logs, traces.

It is the last thing added to listeners but for EnvoyFilters, and decides nothing about where things go.
"""
