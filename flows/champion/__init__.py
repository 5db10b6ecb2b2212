"""The best model of a dataset, and how another takes its place."""
