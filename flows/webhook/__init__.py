"""A hub's webhook: what it delivers, and the app that takes it."""
