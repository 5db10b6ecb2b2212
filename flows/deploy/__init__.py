"""Flows on a server with workers: what is deployed, and what happens to runs that are lost."""
