"""Servers that tests start: those of third parties, odd ones of our own, and a proxy that breaks connections."""
