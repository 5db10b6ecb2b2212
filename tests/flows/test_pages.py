"""The page of a run is made of what its folder holds, whatever version wrote it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from flows.pages import run_page
from flows.settings import DataRoot, data_root
from model.batches import load_tokens
from model.judging import sprites_of
from model.report_data import Creature, Samples
from model.runs import SAMPLES, write_samples
from pipeline.publishing.folder_store import FolderStore
from pipeline.release import Release
from tests.exported import finished_run, published_release


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    finished_run(published_release(root), root / "runs")
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> DataRoot:
    return data_root(Path(shutil.copytree(made, tmp_path / "data", symlinks=True)))


@pytest.fixture
def release(root: DataRoot) -> Release:
    return FolderStore(root.releases).open("tests/beasts")


def section(page: str, name: str) -> str:
    return page.split(f'<section id="{name}">')[1].split("</section>", maxsplit=1)[0]


def test_a_copied_picture_stands_first_and_is_called_a_copy(root: DataRoot, release: Release) -> None:
    (run,) = root.runs.iterdir()
    train = sprites_of(load_tokens(release, "train"), release.vocabulary)
    other = np.zeros((3, 3), dtype=np.uint8)
    drawn = tuple(Creature(sprite=one, caption="a beast") for one in (other, train[5][:, ::-1]))
    write_samples(Samples(from_nothing=drawn), run / SAMPLES, release.vocabulary)
    told = section(run_page(release, run, root).read_text(), "drawn")
    assert told.index("an exact copy, mirrored") < told.index("% alike")
    assert told.count("<figure") == 2
    left, right = told.split("<img")[1:3]
    assert left.split('src="')[1].split('"')[0] == right.split('src="')[1].split('"')[0]  # mirrored as it was drawn


def test_a_run_of_an_older_version_has_a_page(root: DataRoot, release: Release) -> None:
    (run,) = root.runs.iterdir()
    told = json.loads((run / "evaluation.json").read_text())
    for key in ("validity", "memorisation", "other_pairs", "weights"):
        del told[key]
    for pair in told["paired"]:
        del pair["p_value"]
    (run / "evaluation.json").write_text(json.dumps(told))
    shutil.rmtree(run / "logs")
    shutil.rmtree(run / "samples")
    page = run_page(release, run, root).read_text()
    assert "LSTM minus Counts2D" in section(page, "scores")
    for absent in ("made", "paper", "drawn"):
        assert f'<section id="{absent}">' not in page
