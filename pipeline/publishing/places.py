"""Where releases lie on this machine."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The folders that references are looked up in."""

    releases: Path  # the default store
    cache: Path  # what was read from the Hub: org/name/COMMIT
