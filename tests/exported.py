"""A finished run of a small release, and what the tests of a model repo read of its folder."""

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from model.config import ModelConfig, TrainConfig
from model.presets import Preset
from model.report_data import Captioned, Creature, Illustration, Samples
from model.runs import SAMPLES, evaluate_run, train_run, write_samples
from pipeline.build import build
from pipeline.checks import check
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import Release
from tests.raw_stores import creatures, make_store, sample_source

NAME = "tests/beasts-lstm"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
TINY = Preset(
    name="tiny",
    about="for tests",
    model=ModelConfig(d_model=8, d_state=8, layers=1, k=3),
    train=TrainConfig(epochs=1, batch_tokens=8192, threads=1),
)
SPRITE = (np.arange(30, dtype=np.uint8) % 7).reshape(5, 6)
HELD_OUT = np.full((4, 4), 50, dtype=np.uint8)  # a real picture, which no sheet may show


def small_release(root: Path) -> Release:
    """Build a release of which everything may be redistributed."""
    built = build(sample_source(), make_store(root / "raw", creatures(40)), root / "built", name="tests/beasts")
    return built.with_manifest(version="v1.0.0", withheld=(), visibility="public", title="Beasts | of `tests`")


def published_release(root: Path) -> Release:
    """Publish the same creatures in a data root, as `tests/beasts@v1.0.0`; no plots, which take seconds to draw."""
    store = make_store(root / "raw" / "sample", creatures(40))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {})
        built = build(sample_source(), store, root / "built", name="tests/beasts")
        return FolderStore(root / "releases").publish(built.with_manifest(gates=check(built))).release


def finished_run(release: Release, runs: Path) -> Path:
    """Train, judge and draw."""
    run = train_run(release, runs, TINY)
    evaluate_run(release, run)
    samples = Samples(
        from_nothing=(Creature(sprite=SPRITE, caption="a beast"),),
        from_captions=(Illustration(caption="a beast", sprite=SPRITE, real=HELD_OUT),),
        from_pictures=(Captioned(sprite=HELD_OUT, caption="a beast", real="held out"),),
    )
    write_samples(samples, run / SAMPLES, release.vocabulary)
    return run


def copy_of(run: Path, folder: Path) -> Path:
    """Copy a run, times included, to where it may be changed."""
    return Path(shutil.copytree(run, folder))


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def card_of(folder: Path) -> str:
    return (folder / "README.md").read_text(encoding="utf-8")


def head_of(folder: Path) -> dict[str, Any]:
    """Return the YAML of a card, read."""
    head: dict[str, Any] = yaml.safe_load(card_of(folder).split("\n---\n")[0])
    return head


def snippets(folder: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", card_of(folder), flags=re.DOTALL)


def change_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file in place and keep its time."""
    told, times = json.loads(path.read_text()), path.stat()
    change(told)
    path.write_text(json.dumps(told))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
