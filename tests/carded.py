"""What the tests of a card read of it."""

from typing import Any

import yaml

from pipeline.release import Release


def text_of(release: Release, name: str = "README.md") -> str:
    """Return a document of a release."""
    return (release.folder / name).read_text(encoding="utf-8")


def head_of(release: Release) -> dict[str, Any]:
    """Return the YAML of a card, read."""
    head: dict[str, Any] = yaml.safe_load(text_of(release).split("\n---\n")[0])
    return head
