"""Where things go, and how Prefect is asked to behave; read before Prefect is imported."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pipeline.publishing.places import Places

DATA_VARIABLE = "PIXELBYTES_DATA"
_SILENT = "CRITICAL"


@dataclass(frozen=True, slots=True)
class DataRoot:
    """The folder that holds raw stores, builds, releases and runs."""

    root: Path

    def raw(self, source: str) -> Path:
        """Return the raw store of a source."""
        return self.root / "raw" / source

    def built(self, name: str) -> Path:
        """Return where the newest build of a dataset lies before it is published."""
        return self.root / "builds" / name

    @property
    def releases(self) -> Path:
        """Return the folder of releases, the default store."""
        return self.root / "releases"

    @property
    def places(self) -> Places:
        """Return where releases lie: the default store, and what was read from the Hub."""
        return Places(releases=self.releases, cache=self.root / "hub")

    @property
    def runs(self) -> Path:
        """Return the folder of training runs."""
        return self.root / "runs"

    @property
    def deployed(self) -> Path:
        """Return where `pixelbytes deploy` and its worker keep locks and logs."""
        return self.root / "deploy"


def data_root(given: Path | str | None = None) -> DataRoot:
    """Return the data root: what was given, else PIXELBYTES_DATA, else `data` where one stands."""
    return DataRoot(Path(given or os.environ.get(DATA_VARIABLE) or "data").resolve())


def ready_hub_client() -> None:
    """Let the Hub's client send files as its server can take them; must run before it is first imported.

    Uploads go by Xet, which sends no chunk twice but never falls back; a Hub on loopback does not speak it.
    """
    host = urlsplit(os.environ.get("HF_ENDPOINT", "")).hostname or ""
    if host in {"localhost", "::1"} or host.startswith("127."):
        os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # nobody looks at them in a log


def serving_environment(data: DataRoot, *, api: str | None = None) -> dict[str, str]:
    """Return the environment of a Prefect server, and of a worker and its flows: this one, and how we ask for things.

    What the user has set stays as it is. `api` is the server that worker and flows speak to.
    """
    silenced = os.environ.get("PREFECT_LOGGING_LEVEL") == _SILENT
    known = {name: value for name, value in os.environ.items() if not (silenced and name == "PREFECT_LOGGING_LEVEL")}
    return {
        "PREFECT_HOME": str(data.root / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_CLI_PROMPT": "false",
        # slots of concurrency limits are leased: leases kept in memory are lost with the server, and so the slots
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_WORKER_QUERY_SECONDS": "1",  # a release starts its training within seconds
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        **known,
        DATA_VARIABLE: str(data.root),
        **({"PREFECT_API_URL": api} if api else {}),
    }


def quiet_prefect(data: DataRoot) -> None:
    """Let Prefect keep its own files in the data root, say nothing but failures, and send nothing anywhere.

    Only what the user has not set themselves; must run before Prefect is first imported.
    """
    defaults = {
        "PREFECT_HOME": str(data.root / "prefect"),
        "PREFECT_LOGGING_LEVEL": _SILENT,  # the command itself says what happened
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # its own 20 s are not enough on a busy machine
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
