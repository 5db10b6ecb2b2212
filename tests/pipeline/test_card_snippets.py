"""The code on a card runs as it stands, and reads the release as this package does."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from pipeline.release import Release
from pipeline.tokenizer import decode_record, grids
from pipeline.windows import record_windows
from tests.carded import text_of


def snippets(release: Release) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text_of(release), flags=re.DOTALL)


@pytest.fixture(scope="module")
def ran(carded: tuple[Release, tuple[str, ...]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run the card's code from top to bottom as a reader would, on the release's own folder."""
    from datasets import config

    release, _ = carded
    space: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        for snippet in snippets(release):
            exec(snippet.replace(release.manifest.name, str(release.folder)), space)  # noqa: S102 - our own words
        yield space


@pytest.mark.filterwarnings("ignore")  # of datasets itself
def test_every_config_has_a_snippet_that_runs(carded: tuple[Release, tuple[str, ...]], ran: Mapping[str, Any]) -> None:
    release, _ = carded
    counts = release.manifest.counts
    for config in release.manifest.configs:
        assert f'load_dataset("{release.manifest.name}", "{config}", split=' in text_of(release)
    assert ran["records"].num_rows == ran["tokens"].num_rows == counts["train"]
    assert ran["dropped"]["stage"][:] == ["description"]


@pytest.mark.filterwarnings("ignore")  # of datasets itself
def test_the_snippets_decode_a_record_without_this_package(
    carded: tuple[Release, tuple[str, ...]], ran: Mapping[str, Any]
) -> None:
    release, _ = carded
    assert "import pipeline" not in "".join(snippets(release))
    record = release.table("records", "train").slice(0, 1).to_pylist()[0]
    assert ran["text"] == record["caption"]
    sprite, _ = decode_record(ran["ids"], release.vocabulary)
    np.testing.assert_array_equal(ran["picture"], release.palette.rgb[sprite])
    for row in release.table("tokens", "test").column("tokens").to_pylist():
        ids = np.array(row, dtype=np.uint8)
        ours = grids(ids)
        theirs = list(ran["segments"](ids))
        assert len(ours) == len(theirs)
        assert all(np.array_equal(*pair) for pair in zip(ours, theirs, strict=True))


@pytest.mark.filterwarnings("ignore")  # of datasets itself
@pytest.mark.parametrize("k", [1, 3, 5, 9])
def test_the_snippets_windows_are_the_datasets_own(
    carded: tuple[Release, tuple[str, ...]], ran: Mapping[str, Any], k: int
) -> None:
    release, _ = carded
    for row in release.table("tokens", "test").column("tokens").to_pylist():
        ids = np.array(row, dtype=np.uint8)
        theirs = ran["windows"](ids, k)
        assert theirs.dtype == np.uint8
        np.testing.assert_array_equal(theirs, record_windows(grids(ids), k))
