"""What the preset `small` pays on families it never saw, beside Counts2D: two corpora, split anew for three seeds.

On request (`python -m tests.bench splits`): six trainings, about 25 minutes on a core. Tuxemon is asked for where
PIXELBYTES_TUXEMON says it lies, and left out elsewhere. Test records are read once each, after all is chosen.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from model.baselines import Counts2D, fit_counts2d
from model.checkpoint import load_checkpoint
from model.language_model import LanguageModel
from model.metrics import score
from model.network import NetworkModel
from model.presets import preset_of
from model.token_table import TokenTable
from model.train import TrainData, train
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.splits import split_of
from tests.bench.rows import Row

SEEDS = (0, 1, 2)
TARGET = 1 / 0.7  # 30 % fewer bits
TUXEMON = Path(os.environ.get("PIXELBYTES_TUXEMON", Path(__file__).parents[3] / "shared" / "corpora" / "tuxemon"))


class Owned(NamedTuple):
    """A record of any split, and the family it belongs to."""

    name: str
    family: str
    ids: UInt8[np.ndarray, "_"]


class Paid(NamedTuple):
    """Test bits of a record, in the mean."""

    network: float
    counts: float  # our Counts2D, whose leanings are learned
    witten_bell: float  # the same contexts by Witten-Bell's rule throughout
    numbers: int  # weights and counts of the network


def rows() -> Iterator[Row]:
    """Yield a row for each corpus and each Counts2D."""
    with TemporaryDirectory() as place:
        corpora = {"the bestiary": "sample"} | ({"Tuxemon": str(TUXEMON)} if TUXEMON.is_dir() else {})
        for name, source in corpora.items():
            release = _release(source, Path(place) / name.replace(" ", "-"))
            paid = [_paid(release, seed, Path(place) / f"{name}-{seed}") for seed in SEEDS]
            for baseline in ("witten_bell", "counts"):
                usual, ours = fmean(getattr(one, baseline) for one in paid), fmean(one.network for one in paid)
                yield Row(
                    name=f"small on {name}",
                    unit="records per million bits",
                    reference=f"Counts2D, {baseline.replace('_', ' ')}",
                    usual=1e6 / usual,
                    ours=1e6 / ours,
                    target=TARGET,
                    note=f"{ours:,.1f} bits, {usual:,.1f}: {1 - ours / usual:.1%} below; {paid[0].numbers:,} numbers",
                )


def _release(source: str, data: Path) -> Release:
    command = [sys.executable, "-m", "flows.cli", "rebuild", source, "--data", str(data)]
    subprocess.run(command, check=True, capture_output=True, timeout=900)
    return Release.open(next(data.glob("releases/*/*/latest")))


def _paid(release: Release, seed: int, folder: Path) -> Paid:
    data, test = _split_anew(release, seed)
    small = preset_of("small", seed=seed)
    train(data, small.model, small.train, folder)
    network, _ = load_checkpoint(folder / "checkpoints" / "best")
    counts = fit_counts2d(data.train, data.vocabulary)
    return Paid(
        network=_bits(NetworkModel(network), test),
        counts=_bits(counts, test),
        witten_bell=_bits(_plain(counts), test),
        numbers=network.parameters_count,
    )


def _bits(model: LanguageModel, table: TokenTable) -> float:
    return float(score(model, table).record_bits.mean())


def _plain(counts: Counts2D) -> Counts2D:
    """Return the same counts, leaning by Witten-Bell's rule."""
    pixels, text = counts.pixels, counts.text
    return replace(
        counts,
        pixels=replace(pixels, leaning=(1.0,) * len(pixels.levels)),
        text=replace(text, leaning=(1.0,) * len(text.levels)),
    )


def _split_anew(release: Release, seed: int) -> tuple[TrainData, TokenTable]:
    """Return 80, 10 and 10 % of the families, as the seed decides."""
    shares: dict[str, list[tuple[str, UInt8[np.ndarray, "_"]]]] = {split: [] for split in SPLITS}
    for one in sorted(_records(release), key=lambda one: one.name):
        shares[split_of(one.family, salt=f"s{seed}")].append((one.name, one.ids))
    found = {split: TokenTable.from_records(share) for split, share in shares.items()}
    data = TrainData(
        train=found["train"],
        validation=found["validation"],
        vocabulary=release.vocabulary,
        dataset=release.version,
    )
    return data, found["test"]


def _records(release: Release) -> Sequence[Owned]:
    found = []
    for split in SPLITS:
        told, tokens = release.table("records", split), release.table("tokens", split)
        families = dict(zip(told.column("id").to_pylist(), told.column("group").to_pylist(), strict=True))
        for name, ids in zip(tokens.column("id").to_pylist(), tokens.column("tokens").to_pylist(), strict=True):
            found.append(Owned(name=name, family=families[name], ids=np.array(ids, dtype=np.uint8)))
    return found
