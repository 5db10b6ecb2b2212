"""What models and the releases they were trained on are called; without torch, which only asking a model needs."""

import re
from pathlib import Path

from flows.settings import DataRoot
from pipeline.publishing.references import HUB
from pipeline.records import DatasetVersion
from pipeline.release import Release

COMMIT = re.compile(r"[0-9a-f]{40}")  # of a hub; a folder's revision is a digest, which is longer


def short_name(reference: str) -> str:
    """Return what a model is called in the name of a folder or file."""
    if reference.startswith(HUB):
        return reference.removeprefix(HUB).replace("/", "-").replace("@", "-")
    path = Path(reference).resolve()
    return path.parent.parent.name if path.parent.name == "checkpoints" else path.name


def reference_of(trained_on: DatasetVersion, root: DataRoot) -> str:
    """Return what names the release that a checkpoint was trained on: where it was read from the Hub, else its ref."""
    if not COMMIT.fullmatch(trained_on.revision):
        return trained_on.ref
    pulled = root.places.cache / trained_on.repo_id / trained_on.revision
    return str(pulled) if pulled.is_dir() else f"hub:{trained_on.ref}"


def require_same(release: Release, trained_on: DatasetVersion) -> None:
    """Refuse a release of the same name and version, but other content, than the one a checkpoint was trained on."""
    if release.manifest.digest != trained_on.digest:
        raise RuntimeError(
            f"{release.version.ref} has digest {release.manifest.digest[:12]}, but the checkpoint was trained on "
            f"{trained_on.digest[:12]}: it is another dataset of that name; name the release to use."
        )
