"""How a dataset and its models are: what stands, what is under way, how the figures went."""
