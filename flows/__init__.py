"""Roof: the flows and the command."""
