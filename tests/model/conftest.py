from pathlib import Path

import pytest

from model.model_card import ModelExport, export_model
from pipeline.release import Release
from tests.exported import NAME, finished_run, small_release


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return small_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def run(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished_run(release, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def exported(release: Release, run: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelExport:
    return export_model(run, tmp_path_factory.mktemp("exports") / "one", NAME, release)
