"""Settings of all tests: laws without deadlines, a cache of their own, and no telemetry."""

import os

from hypothesis import settings

settings.register_profile("pixelbytes", deadline=None, max_examples=60)
settings.load_profile("pixelbytes")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing here may ask a hub
