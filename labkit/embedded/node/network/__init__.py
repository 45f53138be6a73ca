"""Addresses and names of pods, and what leads to them."""
