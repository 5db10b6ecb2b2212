"""One TOML file of metadata per site."""
