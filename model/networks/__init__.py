"""The cores: each maps [B, L, D] to [B, L, D] and can step token by token."""
