"""Settings of all tests: laws without deadlines, a cache of their own, and no telemetry."""

import os

from hypothesis import settings

settings.register_profile("pixelbytes", deadline=None, max_examples=60)
settings.load_profile("pixelbytes")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "180")  # as the command itself allows
os.environ.setdefault("DO_NOT_TRACK", "1")
# no test asks the Hub: only its own on loopback, which it names itself
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"  # nobody listens there
os.environ["HF_HUB_DISABLE_XET"] = "1"  # Xet has no loopback
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
os.environ["HF_TOKEN_PATH"] = "/nowhere/token"  # noqa: S105 - nor is anybody's login used
os.environ.pop("HF_TOKEN", None)
