"""What a challenge is asked to do, checked before any work: an event that anybody may send brings it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from flows.training_options import trained_preset
from model.presets import Preset, require_trainable
from pipeline.publishing.folder_store import require_name
from pipeline.publishing.references import HUB
from pipeline.records import DatasetVersion
from pipeline.release import VERSION

MAX_PRESETS, MAX_STORE, MAX_PROCESSES, MAX_SEED = 16, 4_096, 1_024, 1 << 32
_DIGEST = re.compile(r"|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The version that is named: what it is called, what it must hold, and where it lies."""

    repo_id: str
    tag: str
    digest: str = ""  # of its content; empty when nobody says
    store: str | None = None  # a release folder, a folder of releases, or hub:org/name; by default the data root's

    def __post_init__(self) -> None:
        """Check what may have come with an event; ValueError names the value."""
        require_name(_text("repo_id", self.repo_id))
        if not VERSION.fullmatch(_text("tag", self.tag)):
            raise ValueError(f"tag is {self.tag[:80]!r}: name a version, such as v1.0.0.")
        if not _DIGEST.fullmatch(_text("digest", self.digest)):
            raise ValueError(f"digest is {self.digest[:80]!r}: give the 64 hexadecimal digits of the release, or none.")
        store = _text("store", self.store or "")
        if len(store) > MAX_STORE or not store.isprintable():
            raise ValueError(f"store is {store[:80]!r}: give a folder, or hub:org/name.")
        if store.startswith(HUB):
            require_name(store.removeprefix(HUB))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a version is to be answered: what is trained, where a champion goes, and which changes are too small."""

    presets: tuple[Preset, ...]
    seed: int
    models: str  # the model repo on the Hub, org/model; empty for none
    least_change: float  # share of the records; a patch that changes less, is not trained on
    processes: int

    def key(self, version: DatasetVersion) -> str:
        """Return the SHA-256 of what is asked of a version: the same asked twice is answered once.

        How many processes train, and where the champion goes, change no answer.
        """
        recipes = sorted(f"{one.name} {one.model.digest()} {one.train.digest()}" for one in self.presets)
        return sha256("\n".join((version.ref, version.digest, str(self.seed), *recipes)).encode()).hexdigest()


def asked(
    presets: Sequence[str],
    seed: int,
    recipe: dict[str, Any] | None,
    models: str | None,
    least_change: float,
    processes: int,
) -> Asked:
    """Return what is asked, each value checked; ValueError names the one that cannot be, and what to give."""
    if isinstance(presets, str) or not isinstance(presets, Sequence) or not 0 < len(presets) <= MAX_PRESETS:
        raise ValueError(
            f"presets is {str(presets)[:80]!r}: give a list of 1 to {MAX_PRESETS} names, such as ['small']."
        )
    names = tuple(dict.fromkeys(_text("presets", name) for name in presets))
    if recipe is not None and not isinstance(recipe, dict):
        raise ValueError(f"recipe is {str(recipe)[:80]!r}: give fields of a training recipe, or none.")
    whole = _whole("seed", seed, 0, MAX_SEED)
    found = tuple(trained_preset(name, None, whole, recipe) for name in names)
    for preset in found:
        require_trainable(preset)
    if models is not None and not _text("models", models).startswith(HUB):
        raise ValueError(f"models is {models[:80]!r}: give hub:org/model, or nothing.")
    number = isinstance(least_change, int | float) and not isinstance(least_change, bool)
    if not number or not 0 <= least_change <= 1:
        raise ValueError(f"least_change is {str(least_change)[:80]!r}: give a share of the records, from 0 to 1.")
    return Asked(
        presets=found,
        seed=whole,
        models=require_name(models.removeprefix(HUB)) if models else "",
        least_change=float(least_change),
        processes=_whole("processes", processes, 1, MAX_PROCESSES),
    )


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} is {str(value)[:80]!r}: it must be a text.")  # noqa: TRY004 - one error for all of an event
    return value


def _whole(name: str, value: object, least: int, most: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ValueError(f"{name} is {str(value)[:80]!r}: give a whole number from {least} to {most}.")
    return value
