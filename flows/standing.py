"""The releases that stand: in the default store, and in those repos of the Hub that are named."""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from flows.settings import DataRoot
from pipeline.publishing.folder_store import FolderStore, require_name
from pipeline.publishing.hub_store import HubStore
from pipeline.publishing.references import HUB
from pipeline.release import NAME
from pipeline.verify import verify

SHOWN = 3  # faults named of one release


class DamagedReleases(ValueError):  # noqa: N818 - it says what happened
    """Releases that stand are not what was published."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A version that stands somewhere."""

    name: str  # org/name
    version: str
    on_hub: bool = False

    @property
    def ref(self) -> str:
        """Return `org/name@v1.0.0`, or `hub:org/name@v1.0.0`."""
        return f"{HUB if self.on_hub else ''}{self.name}@{self.version}"


def standing_here(root: DataRoot) -> tuple[Standing, ...]:
    """Return every version of every dataset in the default store."""
    store = FolderStore(root.releases)
    names = names_in(root.releases)
    return tuple(Standing(name=name, version=version) for name in names for version in store.versions(name))


def standing_on_hub(given: str, root: DataRoot) -> tuple[Standing, ...]:
    """Return every version of `hub:org/name`.

    ValueError for what is no such name, or shows no release, since it is to be verified; HubError when the Hub fails.
    """
    if not given.startswith(HUB):
        raise ValueError(f"{given!r} is no dataset on the Hub: write {HUB}org/name.")
    name = require_name(given.removeprefix(HUB))
    versions = HubStore(root.places.cache).versions(name)
    if not versions:
        raise ValueError(f"the Hub shows no release of {name}: check its spelling, and the login if it is private.")
    return tuple(Standing(name=name, version=version, on_hub=True) for version in versions)


def names_in(releases: Path) -> Iterator[str]:
    """Yield the names of the datasets in a folder of releases, sorted."""
    if not releases.is_dir():
        return
    for folder in sorted(releases.glob("*/*")):
        name = f"{folder.parent.name}/{folder.name}"
        if folder.is_dir() and NAME.fullmatch(name):
            yield name


def faults_of(one: Standing, root: DataRoot) -> tuple[str, ...]:
    """Return what is wrong with a version, in words: every digest is computed again, on the Hub from a new download.

    HubError when the Hub fails.
    """
    try:
        if not one.on_hub:
            return verify(FolderStore(root.releases).open(one.name, one.version))
        root.root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".verifying-", dir=root.root) as folder:
            return verify(HubStore(root.places.cache).fetched(one.name, one.version, Path(folder) / "release"))
    except (ValueError, OSError) as error:  # DamagedRelease among them: it cannot even be opened
        return (str(error),)


def require_sound(found: Mapping[str, tuple[str, ...]]) -> None:
    """Raise DamagedReleases that names each release with faults, and its first ones."""
    told = []
    for ref, faults in found.items():
        more = f" (and {len(faults) - SHOWN} more)" if len(faults) > SHOWN else ""
        told += [f"{ref}: {'; '.join(faults[:SHOWN])}{more}"] if faults else []
    if told:
        raise DamagedReleases(
            f"{len(told)} of {len(found)} releases are damaged, or could not be read. " + " | ".join(told)
        )
