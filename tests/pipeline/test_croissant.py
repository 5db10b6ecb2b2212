"""croissant.json is understood by mlcroissant, which reads the release's rows by it from the folder alone."""

import itertools
import json
import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.cards.card import write_card
from pipeline.release import Release
from pipeline.shards import file_sha256

HOSTILE = 'A "title" \\ with </script> and \u202e, {"@id": "x"}'
pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # of mlcroissant and pandas themselves
    pytest.mark.usefixtures("without_plots"),
]


@pytest.fixture(scope="module")
def without_plots() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {})  # takes a second, and is no part of this
        yield


@pytest.fixture(scope="module")
def written(release: Release, tmp_path_factory: pytest.TempPathFactory, without_plots: None) -> Release:
    assert without_plots is None
    folder = tmp_path_factory.mktemp("croissant") / "release"
    shutil.copytree(release.folder, folder)
    named = Release.open(folder).with_manifest(title=HOSTILE, version="v1.2.3", licences=("CC BY-SA 4.0", HOSTILE))
    write_card(named)
    return named


@pytest.fixture(scope="module")
def dataset(written: Release) -> Any:
    import mlcroissant

    def tell(record: logging.LogRecord) -> bool:
        return bool(pytest.fail(record.getMessage()))

    logging.getLogger("absl").addFilter(tell)  # what it does not like about a context, it only logs
    try:
        return mlcroissant.Dataset(jsonld=written.folder / "croissant.json")
    finally:
        logging.getLogger("absl").removeFilter(tell)


def stated(release: Release) -> dict[str, Any]:
    return json.loads((release.folder / "croissant.json").read_text(encoding="utf-8"))


def test_mlcroissant_has_no_errors_and_no_warnings(dataset: Any) -> None:
    issues = dataset.metadata.ctx.issues
    assert not issues.errors
    assert not issues.warnings


def test_a_title_from_outside_is_only_a_name(written: Release, dataset: Any) -> None:
    name = 'A "title" \\ with </script> and , {"@id": "x"}'
    assert dataset.metadata.name == name
    assert stated(written)["license"] == ["https://creativecommons.org/licenses/by-sa/4.0/", name]
    assert stated(written)["version"] == "1.2.3"


def test_every_file_of_rows_is_named_with_its_digest(written: Release) -> None:
    files = {item["contentUrl"]: item for item in stated(written)["distribution"] if item["@type"] == "cr:FileObject"}
    assert set(files) == {path.relative_to(written.folder).as_posix() for path in written.folder.rglob("*.parquet")}
    for name, item in files.items():
        assert item["sha256"] == file_sha256(written.folder / name)
        assert item["contentSize"] == f"{(written.folder / name).stat().st_size} B"


def test_every_column_is_described(written: Release) -> None:
    for records in stated(written)["recordSet"]:
        for field in records["field"]:
            assert field["description"] != field["name"]


def by_croissant(dataset: Any, config: str, count: int | None = None) -> list[dict[str, Any]]:
    """Return rows without the config's name before each field; text comes as bytes."""
    found = itertools.islice(dataset.records(config), count)
    return [{key.removeprefix(f"{config}/"): _text(value) for key, value in row.items()} for row in found]


def _text(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value


def test_mlcroissant_reads_the_records_of_all_splits(written: Release, dataset: Any) -> None:
    rows = by_croissant(dataset, "records")
    for split, count in written.manifest.counts.items():
        ours = written.table("records", split).to_pylist()
        read = [row for row in rows if row["split"] == split]
        assert len(read) == count
        for row, own in zip(read, ours, strict=True):
            for column in ("id", "caption", "number", "language", "licence", "attribution", "source_url", "sha256"):
                assert row[column] == own[column]
    image = rows[0]["image"]
    assert (image.format, image.mode) == ("PNG", "P")


def test_mlcroissant_reads_tokens_windows_and_drops(written: Release, dataset: Any) -> None:
    (first,) = by_croissant(dataset, "tokens", 1)
    own = next(row for row in written.table("tokens", first["split"]).to_pylist() if row["id"] == first["id"])
    assert [int(one) for one in first["tokens"]] == own["tokens"]
    assert first["segment_offsets"] == own["segment_offsets"]
    (drop,) = by_croissant(dataset, "quarantine")
    assert (drop["split"], drop["stage"]) == ("dropped", "description")
    k = written.manifest.windows[0]
    (seen,) = by_croissant(dataset, f"windows_k{k}", 1)
    assert len(seen["windows"]) == len(first["tokens"])
    assert [int(window[k // 2][k // 2]) for window in seen["windows"]] == own["tokens"]


def test_the_split_is_read_from_a_path_of_this_config_only(written: Release) -> None:
    sets = {item["@id"]: item["field"][0]["source"]["transform"]["regex"] for item in stated(written)["recordSet"]}
    pattern = re.compile(sets["tokens"])
    path = Path("/data/records/tokens/train-00000-of-00001.parquet")
    found = pattern.match(str(path))
    assert found is not None
    assert found[1] == "train"
    assert pattern.match("/data/records/train-00000-of-00001.parquet") is None
