"""Every gate trips on what it is for, and on nothing else."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from pipeline.build import build
from pipeline.checks import GATE_NAMES, check, override, row_faults
from pipeline.gates.drift import divergence, token_counts
from pipeline.recipe import BuildConfig
from pipeline.release import Gate, Release, blocking
from pipeline.shards import batches
from tests.altered import Row, Rows, Sprite, copied, redraw, rewrite, set_item, set_value
from tests.raw_stores import creatures, make_store, sample_source

NAME = "pixelbytes/small"


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """A release without windows, so that it is altered in no time."""
    root: Path = tmp_path_factory.mktemp("small")
    stub = replace(creatures(31)[30], page=b"<html><h2><span id='Habitat'>Habitat</span></h2></html>")
    return build(sample_source(), make_store(root / "raw", [*creatures(30), stub]), root / "built", name=NAME)


@pytest.fixture
def copy(release: Release, tmp_path: Path) -> Release:
    return copied(release, tmp_path / "copy")


def asked(release: Release, against: Release | None = None) -> dict[str, Gate]:
    return {gate.name: gate for gate in check(release, against)}


def failed(release: Release, against: Release | None = None) -> set[str]:
    return {gate.name for gate in check(release, against) if not gate.passed}


def test_a_good_release_passes_every_gate(release: Release) -> None:
    assert failed(release, release) == set()


def test_the_gates_read_a_few_hundred_records_at_a_time(release: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    for whole in ("read", "table"):
        monkeypatch.setattr(Release, whole, lambda *_, **__: pytest.fail("more than a batch was read"))
    assert failed(release, release) == set()


def test_every_gate_that_is_asked_can_be_named(release: Release) -> None:
    assert tuple(gate.name for gate in check(release, release)) == GATE_NAMES


def other_picture(rows: Rows) -> None:
    rows[0]["image"] = rows[1]["image"]


def no_picture(rows: Rows) -> None:
    rows[0]["image"] = {"bytes": b"\x89PNG\r\n\x1a\nnot really", "path": "x.png"}


@pytest.mark.parametrize(
    ("gate", "config", "change"),
    [
        ("decode", "records", set_value("caption", "something else was written here.")),
        ("decode", "records", other_picture),
        ("decode", "records", no_picture),
        ("captions", "records", set_value("caption", "short")),
        ("digests", "records", set_value("digest", "0" * 64)),
        ("digests", "records", set_value("name", "another name")),
        ("licence", "records", set_value("licence", "")),
        ("licence", "records", set_value("attribution", "")),
        ("replaced", "records", set_value("replaced", 500)),
        ("order", "records", set_value("id", "9999-zzz")),
        ("schema", "records", set_value("caption", None)),
        ("schema", "tokens", set_value("tokens", None)),
        ("vocabulary", "tokens", set_item("tokens", 20, 200)),
        ("vocabulary", "tokens", set_value("tokens", [])),
        ("decode", "tokens", set_item("tokens", 20, 2)),
        ("decode", "tokens", set_value("h", 99)),
        ("decode", "tokens", set_value("segment_offsets", [0, 1, 2, 3])),
    ],
)
def test_each_record_gate_trips_and_names_the_record(
    copy: Release, gate: str, config: str, change: Callable[[Rows], None]
) -> None:
    rewrite(copy, config, change)
    found = asked(copy)[gate]
    assert not found.passed
    assert len(found.worst) == 1


def test_windows_that_are_not_those_of_the_ids_trip_their_gate(tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(8))
    copy = build(sample_source(), store, tmp_path / "built", name=NAME, config=BuildConfig(windows=(3, 5)))
    assert asked(copy)["windows"].passed
    rewrite(copy, "windows_k3", lambda rows: rows[0].update({"windows": rows[1]["windows"]}))
    assert asked(copy)["windows"].value == "1 against it"
    assert len(row_faults(copy)["windows"]) == 1


@pytest.mark.parametrize("name", ["windows_k101", "windows_k4", "windows_k03", "embeddings"])
def test_a_config_that_this_version_does_not_know_trips_the_schema_gate(copy: Release, name: str) -> None:
    configs = {**copy.manifest.configs, name: copy.manifest.configs["tokens"]}
    found = asked(copy.with_manifest(configs=configs))
    assert not found["schema"].passed
    assert found["schema"].worst == (f"{name} is unknown to this version",)
    assert found["windows"].value == "none are written out"


def test_a_split_that_this_version_does_not_know_trips_the_schema_gate(copy: Release) -> None:
    configs = {**copy.manifest.configs}
    configs["tokens"] = {**configs["tokens"], "extra": configs["tokens"]["test"]}
    assert asked(copy.with_manifest(configs=configs))["schema"].worst == ("tokens/extra is unknown to this version",)


def test_a_wrong_schema_trips_its_gate_and_what_was_not_read_does_not_pass(copy: Release) -> None:
    path = copy.folder / copy.shards("tokens", "train")[0].file
    pq.write_table(pq.read_table(path).drop_columns(["h"]), path)
    gates = asked(copy)
    assert gates["schema"].worst == ("tokens/train",)
    assert f"{copy.manifest.counts['train']} could not be read" in gates["decode"].value
    assert not gates["decode"].passed


def test_a_picture_written_by_another_program_passes_when_it_shows_the_same(copy: Release) -> None:
    def again(rows: Rows) -> None:
        for row in rows:
            body = io.BytesIO()
            Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB").save(body, "PNG")  # type: ignore[index]
            row["image"]["bytes"] = body.getvalue()  # type: ignore[index]

    rewrite(copy, "records", again)
    assert failed(copy) == set()


def test_a_sprite_of_one_colour_trips_its_gate(copy: Release) -> None:
    def blank(row: Row, sprite: Sprite, caption: str) -> tuple[Row, Sprite, str]:
        return row, np.full_like(sprite, int(str(row["number"])) % 40), caption

    assert "sprites" in failed(redraw(copy, blank))


def test_how_short_a_caption_may_be_follows_the_release(copy: Release) -> None:
    parameters = {**copy.manifest.transform["parameters"], "min_caption": 5_000}
    gates = asked(copy.with_manifest(transform={**copy.manifest.transform, "parameters": parameters}))
    assert gates["captions"].limit == "every caption has at least 5000 characters"
    assert gates["captions"].value == "30 against it"
    assert len(gates["captions"].worst) == 20


def test_two_records_that_show_and_say_the_same_trip_their_gate(copy: Release) -> None:
    def twin(rows: Rows) -> None:
        rows[1].update({name: rows[0][name] for name in rows[0] if name not in {"id", "digest"}})

    rewrite(copy, "records", twin)
    rewrite(copy, "tokens", twin)
    gates = asked(copy)
    assert not gates["duplicates"].passed
    assert len(gates["duplicates"].worst) == 1


def test_an_id_that_stands_in_two_splits_trips_its_gate(copy: Release) -> None:
    for split in ("train", "test"):
        for config in ("records", "tokens"):
            rewrite(copy, config, lambda rows: rows[-1].update({"id": "9999-z"}), split)
    assert asked(copy)["ids"].worst == ("9999-z",)


def test_a_family_in_two_splits_trips_its_gate(copy: Release) -> None:
    other = copy.table("records", "test", ["group"]).column("group")[0].as_py()
    rewrite(copy, "records", set_value("group", other))
    assert asked(copy)["splits"].worst == (other,)


@pytest.mark.parametrize(
    ("gate", "changes"),
    [
        ("listings", {"yields": {"listed": 0, "joined": 0, "built": 0}}),
        ("yield", {"yields": {"listed": 100, "joined": 60, "built": 3}}),
        ("text_ratio", {"text_ratio": 0.01}),
        ("split_sizes", {"counts": {"train": 60, "validation": 0, "test": 0}}),
    ],
)
def test_each_manifest_gate_trips(release: Release, gate: str, changes: dict[str, object]) -> None:
    manifest = replace(release.manifest, **changes)  # type: ignore[arg-type]
    assert gate in failed(replace(release, manifest=manifest))


def mirrored_and_recoloured(sprite: Sprite) -> Sprite:
    return ((sprite[:, ::-1].astype(int) + 7) % 55).astype(np.uint8)


def test_a_twin_in_another_split_trips_its_gate_mirrored_or_recoloured(copy: Release) -> None:
    shown: list[Sprite] = []

    def remember(row: Row, sprite: Sprite, caption: str) -> tuple[Row, Sprite, str]:
        shown.append(sprite)
        return row, sprite, caption

    def steal(row: Row, sprite: Sprite, caption: str) -> tuple[Row, Sprite, str]:
        return row, shown.pop() if shown else sprite, caption

    redraw(copy, remember)
    shown[:] = [mirrored_and_recoloured(shown[0])]
    found = asked(redraw(copy, steal, "test"))["leakage"]
    assert not found.passed
    first, other = (copy.table("records", split, ["id"]).column("id")[0].as_py() for split in ("train", "test"))
    assert first in found.worst[0]
    assert other in found.worst[0]


def test_pictures_that_drifted_trip_their_gate_and_the_tokens_are_named(release: Release, copy: Release) -> None:
    def darker(row: Row, sprite: Sprite, caption: str) -> tuple[Row, Sprite, str]:
        return row, np.where(sprite % 2 == 0, 0, sprite).astype(np.uint8), caption

    found = asked(redraw(copy, darker), release)["drift"]
    assert not found.passed
    assert found.worst[0].startswith("#000000 ")


def test_texts_that_drifted_trip_their_gate_and_the_tokens_are_named(release: Release, copy: Release) -> None:
    found = asked(redraw(copy, lambda row, sprite, text: (row, sprite, text.replace(" ", ""))), release)["drift"]
    assert not found.passed
    assert found.worst[0].startswith("space ")


def test_growth_and_single_corrections_do_not_drift(release: Release, tmp_path: Path) -> None:
    store = make_store(tmp_path / "raw", creatures(33))
    grown = build(sample_source(), store, tmp_path / "built", name=NAME)
    assert asked(grown, release)["drift"].passed


def test_releases_with_other_palettes_are_not_held_against_each_other(release: Release) -> None:
    other = replace(release.manifest, vocabulary={"size": 113, "digest": "0"}, version="v1.0.0")
    found = asked(release, replace(release, manifest=other))["drift"]
    assert found.passed
    assert "not comparable" in found.value


shares = hnp.arrays(np.int64, 12, elements=st.integers(0, 1000)).filter(lambda counts: counts.sum() > 0)


@given(shares, shares)
def test_divergence_is_symmetric_between_0_and_1_and_0_of_itself(was: np.ndarray, now: np.ndarray) -> None:
    p, q = was / was.sum(), now / now.sum()
    bits = divergence(p, q)
    assert (bits >= -1e-12).all()
    assert -1e-12 <= bits.sum() <= 1 + 1e-12
    assert np.allclose(bits, divergence(q, p))
    assert np.allclose(divergence(p, p), 0)


def test_all_tokens_of_a_release_are_counted(release: Release) -> None:
    counts = token_counts(release)
    told = release.manifest.tokens
    assert (counts[3:58].sum(), counts[58:].sum(), counts[:3].sum()) == (told["text"], told["pixel"], told["separator"])


@given(rows=st.integers(0, 40), group=st.integers(1, 15), size=st.integers(1, 50))
def test_a_file_is_read_in_batches_of_one_size_whatever_its_row_groups(
    tmp_path_factory: pytest.TempPathFactory, rows: int, group: int, size: int
) -> None:
    path = tmp_path_factory.mktemp("rows") / "x.parquet"
    pq.write_table(pa.table({"id": pa.array(range(rows), pa.int64())}), path, row_group_size=group)
    found = list(batches(path, rows=size))
    assert [table.num_rows for table in found] == [min(size, rows - start) for start in range(0, rows, size)]
    assert [key for table in found for key in table.column("id").to_pylist()] == list(range(rows))


def test_a_gate_is_let_through_only_with_a_reason_that_is_kept(release: Release) -> None:
    gates = check(replace(release, manifest=replace(release.manifest, text_ratio=0.01)))
    with pytest.raises(ValueError, match="only be let through with a reason"):
        override(gates, "text_ratio", " ")
    with pytest.raises(ValueError, match="gate 'nonsense' is not known"):
        override(gates, "nonsense", "why not")
    let = override(gates, "text_ratio", "pictures only")
    assert not blocking(let)
    assert next(gate for gate in let if gate.name == "text_ratio").override == "pictures only"
