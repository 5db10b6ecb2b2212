"""What a reproduction of the paper's table found, as plain values: written to and read from `reproduction.json`."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from model.evaluate import EvaluatedOn
from model.paper_protocol import PaperScores
from model.presets import PAPER_PREFIX, Preset, paper_presets
from model.published import PAPER, PublishedScore
from pipeline.records import SPLITS
from pipeline.release import Release, write_text
from pipeline.tables import build

REPRODUCTION = "reproduction.json"
MAX_BYTES = 16 * 2**20  # a real one has some 100 kB
Points = tuple[tuple[float, float], ...]  # (epochs trained, bits per token)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One checkpoint under the paper's metrics."""

    epoch: int  # epochs that it was trained
    validation_bits: float  # per scored token
    weights: str  # their digest
    paper: PaperScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduced:
    """One variant, trained: the last checkpoint, which the paper judged, and the best on validation."""

    preset: str
    published: str  # name of its row in the paper's table
    parameters: int
    training_digest: str  # of its TrainConfig
    seconds: float  # of training
    last: Judged
    best: Judged
    train_curve: Points
    validation_curve: Points


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """A baseline on the same excerpts."""

    name: str
    parameters: int
    paper: PaperScores


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What stands in `reproduction.json`, key by key."""

    dataset: EvaluatedOn
    epochs: int
    seed: int
    variants: tuple[Reproduced, ...]  # those that are finished, in the order of the paper's table
    baselines: tuple[Counted, ...]
    code_version: str

    @property
    def missing(self) -> tuple[str, ...]:
        """Rows of the paper's table that were not trained."""
        done = {variant.preset for variant in self.variants}
        return tuple(row.preset for row in PAPER if row.preset not in done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What training one variant takes, by a few steps that were measured here."""

    preset: str
    parameters: int
    epochs: int
    steps_per_epoch: int
    step_seconds: float
    evaluation_seconds: float  # of the validation split, once
    evaluations: int

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return self.epochs * self.steps_per_epoch

    @property
    def seconds(self) -> float:
        """Seconds of the whole training, evaluations on validation included."""
        return self.steps * self.step_seconds + self.evaluations * self.evaluation_seconds


def chosen_presets(only: Iterable[str], epochs: int, seed: int) -> tuple[Preset, ...]:
    """Return the paper's rows that were asked for, all of them for none, in the table's order.

    A row is named by its preset, with or without `paper/`. ValueError for another name, with those there are.
    """
    presets = paper_presets(epochs, seed)
    known = {preset.name for preset in presets}
    wanted = {name if name.startswith(PAPER_PREFIX) else PAPER_PREFIX + name for name in only}
    unknown = sorted(wanted - known)
    if unknown:
        names = ", ".join(preset.name.removeprefix(PAPER_PREFIX) for preset in presets)
        raise ValueError(f"the paper's table has no row {unknown[0].removeprefix(PAPER_PREFIX)!r}: choose of {names}.")
    return tuple(preset for preset in presets if not wanted or preset.name in wanted)


def require_splits(release: Release) -> None:
    """Raise ValueError when a split of a release is empty: the protocol needs all three."""
    empty = [split for split in SPLITS if not release.manifest.counts.get(split)]
    if empty:
        raise ValueError(
            f"{release.version.ref} has no records in its {empty[0]} split: the paper's protocol learns on train, "
            "selects on validation and judges on test, so take a release with all three."
        )


def published_row(preset: str) -> PublishedScore:
    """Return the paper's row that a preset trains; ValueError for a preset of ours."""
    for row in PAPER:
        if row.preset == preset:
            return row
    raise ValueError(f"preset {preset!r} is no row of the paper's table: choose one that begins with {PAPER_PREFIX!r}.")


def reproduction_folder(release: Release, folder: Path, epochs: int, seed: int) -> Path:
    """Return where a reproduction lies: the same for the same release, recipes, epochs and seed, whichever rows."""
    told = [release.manifest.digest]
    for preset in paper_presets(epochs, seed):
        told += [preset.name, preset.model.digest(), preset.train.digest()]
    mark = hashlib.sha256(" ".join(told).encode()).hexdigest()[:8]
    name = release.manifest.name.replace("/", "-")
    return folder / f"{name}-{release.manifest.version}-e{epochs}-s{seed}-{mark}"


def write_reproduction(found: Reproduction, path: Path) -> None:
    """Write `reproduction.json` whole or not at all."""
    write_text(path, json.dumps(asdict(found), indent=2, allow_nan=False) + "\n")


def read_reproduction(path: Path) -> Reproduction:
    """Read a reproduction back; ValueError when the file is not one."""
    return cast("Reproduction", _read(Reproduction, path))


def write_reproduced(found: Reproduced, path: Path) -> None:
    """Write one variant whole or not at all."""
    write_text(path, json.dumps(asdict(found), indent=2, allow_nan=False) + "\n")


def read_reproduced(path: Path) -> Reproduced | None:
    """Return a variant that was finished; None when there is no such file, or what it holds is damaged.

    It can be made again from the checkpoints, so that a damaged one is no reason to stop.
    """
    try:
        return cast("Reproduced", _read(Reproduced, path)) if path.is_file() else None
    except ValueError:
        return None


def _read(kind: type, path: Path) -> object:
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is larger than {MAX_BYTES:,} bytes: it cannot be a reproduction.")
    try:
        return build(kind, json.loads(path.read_text(encoding="utf-8")), path.name)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not a reproduction ({error}): run `pixelbytes reproduce` again.") from error
