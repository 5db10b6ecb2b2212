"""Where a build works, as options say it: in threads, in processes, or on a Dask or Ray cluster.

Nothing heavy is imported before a pool is asked for: the command line reads its options here.
"""

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pipeline.engines import Pool

EngineName = Literal["threads", "processes", "dask", "ray"]
_PACKAGES: dict[str, tuple[str, ...]] = {"dask": ("prefect_dask", "distributed"), "ray": ("prefect_ray", "ray")}


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Which engine builds, and how many workers it has; an address names a cluster that runs already.

    ValueError when these do not go together.
    """

    name: EngineName = "processes"
    workers: int = 1
    address: str | None = None  # tcp://HOST:8786 for Dask; HOST:6379, or ray://HOST:10001, for Ray

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.name not in get_args(EngineName):
            raise ValueError(f"engine {self.name!r} is not known: choose one of {', '.join(get_args(EngineName))}.")
        if self.workers < 1:
            raise ValueError(f"{self.workers} workers can do no work: give 1 or more.")
        if self.address is None:
            return
        if "@" in self.address:
            raise ValueError(
                "the cluster's address holds a name or password, which would stand in logs: give HOST and port alone."
            )
        if not self.on_cluster:
            raise ValueError(f"engine {self.name} works on this machine, not at {self.address!r}: use dask or ray.")
        if None in host_and_port(self.address):
            raise ValueError(
                f"the cluster's address {self.address!r} names no host and port: give it as tcp://HOST:8786 for dask, "
                "HOST:6379 for ray."
            )
        if self.workers > 1:
            raise ValueError(f"the cluster at {self.address} has the workers that it has: leave workers out.")

    @property
    def on_cluster(self) -> bool:
        """Tell whether the work is done by Prefect tasks on a cluster."""
        return self.name in _PACKAGES

    def require_installed(self) -> None:
        """Refuse an engine whose packages are not there; ValueError says how to get them."""
        if lacking := [package for package in _PACKAGES.get(self.name, ()) if find_spec(package) is None]:
            raise ValueError(
                f"engine {self.name} needs {' and '.join(lacking)}: "
                "pip install -c constraints.txt 'pixelbytes[scale]' brings them."
            )


def host_and_port(address: str) -> tuple[str | None, int | None]:
    """Return which host an address names and which port; None for what it does not name.

    >>> host_and_port("tcp://10.0.0.1:8786"), host_and_port("head:6379"), host_and_port("auto")
    (('10.0.0.1', 8786), ('head', 6379), ('auto', None))
    """
    try:
        parts = urlsplit(address if "//" in address else f"//{address}")
        named = parts.hostname, parts.port
    except ValueError:
        return None, None
    return named


def pool_of(options: EngineOptions, *places: Path) -> "Pool":
    """Return the pool of an engine. Every worker of a cluster must see the folders `places`, and is asked first.

    ValueError when the engine's packages are not installed; opening it raises RuntimeError when there is no cluster,
    or a worker lacks what it needs.
    """
    from pipeline.engines import processes, threads

    if options.name == "threads":
        return threads(options.workers)
    if options.name == "processes":
        return processes(options.workers)
    options.require_installed()
    from flows.streaming import on_cluster

    return partial(on_cluster, options, places)
