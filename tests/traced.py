"""A small data root to follow things through: a crawl, two releases, and runs that only say what they are."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from flows.champion.champions import Challenger, Champion, ChampionModel, Champions, Decision
from flows.settings import DataRoot
from model.config import TrainConfig
from pipeline.build import build
from pipeline.checks import check
from pipeline.publishing.folder_store import FolderStore
from pipeline.records import DatasetVersion
from pipeline.release import Release
from tests.raw_stores import creatures, make_store, sample_source

REPO = "tests/beasts"
RECIPE = TrainConfig(epochs=2)


def traced_root(root: Path) -> DataRoot:
    """Make a data root whose dataset has two versions, each from a crawl of its own, and a run on each."""
    data = DataRoot(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {})
        for count in (10, 12):
            store = make_store(data.raw("sample"), creatures(count))
            built = build(sample_source(), store, data.built(REPO), name=REPO)
            release = FolderStore(data.releases).publish(built.with_manifest(gates=check(built))).release
            fake_run(data, release.version, f"run-{release.manifest.version}")
    return data


def fake_run(data: DataRoot, version: DatasetVersion, name: str, *, epoch: int = 2) -> Path:
    """Write what a run says of itself, and no weights."""
    run = data.runs / name
    dataset = {"ref": version.ref, **asdict(version)}
    write(run / "config.json", {"model": {"core": "lstm"}, "train": RECIPE.to_json(), "dataset": dataset})
    said = {"model": {"core": "lstm"}, "dataset": dataset, "training_digest": RECIPE.digest(), "step": 7}
    write(run / "checkpoints/best/config.json", said | {"validation_bits": 99.5, "code_version": "0.1.0"})
    (run / "checkpoints/best/model.safetensors").write_bytes(b"weights")
    write(run / "checkpoints/last/training.json", {"epoch": epoch, "step": 7})
    return run


def decide(data: DataRoot, release: Release, run: str, *, promoted: bool = True) -> Decision:
    """Write down a decision about a run, and who reigns by it."""
    version, model = release.version, None
    if promoted:
        folder = f"champions/{REPO}/models/v1.0.0"
        model = ChampionModel(ref="tests/beasts-lstm@v1.0.0", folder=folder, revision="")
    decision = Decision(
        time="2026-01-02T03:04:05+00:00",
        dataset=version,
        store=str(data.releases),
        key="a" * 64,
        outcome="promoted" if promoted else "kept",
        why="it pays less than every baseline",
        challenger=Challenger(name="LSTM", run=run, preset="tiny", seed=0, validation_bits=99.5, bits=101.5),
        candidates=(),
        champion_before=None,
        paired=None,
        model=model,
    )
    champions = Champions(data.root / "champions")
    champions.add(decision)
    if model is not None:
        reign = Champion(ref=model.ref, folder=model.folder, run=run, dataset=version, bits=101.5, since=decision.time)
        champions.crown(REPO, reign)
    return decision


def copy_of(data: DataRoot, folder: Path) -> DataRoot:
    """Return a copy that may be damaged."""
    return DataRoot(Path(shutil.copytree(data.root, folder, symlinks=True)))


def releases_of(data: DataRoot) -> tuple[Release, ...]:
    """Return both versions."""
    return FolderStore(data.releases).history(REPO)


def write(path: Path, told: dict[str, Any]) -> None:
    """Write a JSON object."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(told), encoding="utf-8")


def change(path: Path, how: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON object in place."""
    told = json.loads(path.read_text(encoding="utf-8"))
    how(told)
    write(path, told)
