"""Second floor: networks, baselines, training, sampling and evaluation."""
