from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.build import build
from pipeline.release import Release
from tests.raw_stores import creatures, make_store, sample_source


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A small release, built once; tests that change it copy it first."""
    root: Path = tmp_path_factory.mktemp("small")
    stub = replace(creatures(61)[60], page=b"<html><h2><span id='Habitat'>Habitat</span></h2></html>")
    store = make_store(root / "raw", [*creatures(60), stub])
    return build(sample_source(), store, root / "built", name="pixelbytes/small")
