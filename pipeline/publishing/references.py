"""What a reference means: a release folder, a version in a folder of releases, or one on the Hub."""

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.publishing.folder_store import FolderStore, require_name
from pipeline.publishing.hub_store import Gated, HubStore
from pipeline.publishing.places import Places
from pipeline.publishing.pulling import Progress
from pipeline.publishing.staging import Store
from pipeline.release import MANIFEST, NAME, Release

HUB = "hub:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where to publish: a store, and the name that a dataset has there, unless it keeps its own."""

    store: Store
    name: str = ""
    address: str  # as it was given: what events and messages call it

    @property
    def on_hub(self) -> bool:
        """Tell whether it is on the Hub."""
        return self.address.startswith(HUB)


def destination(
    given: str | None,
    places: Places,
    *,
    gated: Gated | None = None,
    propose: bool = False,
    progress: Progress = lambda _done, _all: None,
) -> Destination:
    """Return where `hub:org/name`, a folder of releases, or nothing (the default store) lead to.

    The options are those of a store on the Hub; ValueError when they are asked of a folder.
    """
    if (gated or propose) and not (given or "").startswith(HUB):
        raise ValueError("a folder has no gate and no pull requests: --gated and --pr need --to hub:org/name.")
    if given is None:
        return Destination(store=FolderStore(places.releases), address=str(places.releases))
    if not given.startswith(HUB):
        return Destination(store=FolderStore(Path(given)), address=given)
    name = require_name(given.removeprefix(HUB))
    return Destination(
        store=HubStore(places.cache, gated=gated, propose=propose, progress=progress), name=name, address=given
    )


def resolve(reference: str, places: Places) -> Release:
    """Return the release that a reference names, pinned to what it resolved to.

    A reference is a release folder, `STORE_FOLDER@v1.0.0` (a folder with versions in it), `org/name@v1.0.0` in the
    default store, or `hub:org/name@v1.0.0`; without `@`, the newest. ValueError says what was not found and what there
    is; HubError when the Hub fails.
    """
    if reference.startswith(HUB):
        name, _, version = reference.removeprefix(HUB).partition("@")
        return HubStore(places.cache).open(require_name(name), version or None)
    if (Path(reference) / MANIFEST).is_file():
        return _opened(Path(reference).resolve(), places)
    place, _, version = reference.rpartition("@") if "@" in reference else (reference, "", "")
    path = Path(place)
    if NAME.fullmatch(place) and not path.is_dir():
        return FolderStore(places.releases).open(place, version or None)
    if len(path.resolve().parts) < 3 or not path.is_dir():  # noqa: PLR2004 - root, org and name
        raise ValueError(
            f"{reference!r} is neither a release folder, org/name[@version] nor hub:org/name: check its spelling."
        )
    whole = path.resolve()
    return FolderStore(whole.parent.parent).open(f"{whole.parent.name}/{whole.name}", version or None)


def _opened(folder: Path, places: Places) -> Release:
    """Open a release folder; one that was read from the Hub knows its commit by its name."""
    release = Release.open(folder)
    pulled = folder.parent.parent.parent == places.cache.resolve()
    return replace(release, revision=folder.name) if pulled else release
