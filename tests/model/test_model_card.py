"""A finished run becomes a model repo: the same bytes each time, its origin told everywhere, its card true."""

import json
import shutil
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.repocard_data import eval_results_to_model_index
from PIL import Image

from model.checkpoint import load_checkpoint
from model.model_card import DECISION, ModelExport, add_decision, export_model, open_export
from model.tensor_files import read_facts
from pipeline.release import Release
from tests.exported import COMMIT, HELD_OUT, NAME, bytes_of, card_of, change_json, copy_of, head_of, snippets


def data_of(folder: Path) -> ModelCardData:
    """Return a card's head as the Hub's client reads it."""
    data = ModelCard(card_of(folder)).data
    assert isinstance(data, ModelCardData)
    return data


def test_a_model_comes_back_with_the_weights_of_the_best_checkpoint(exported: ModelExport, run: Path) -> None:
    opened = open_export(exported.folder)
    wanted, info = load_checkpoint(run / "checkpoints" / "best")
    assert all(torch.equal(tensor, wanted.state_dict()[key]) for key, tensor in opened.network.state_dict().items())
    assert opened.info.to_json() == info.to_json()
    assert opened.lineage == exported.lineage
    assert load_checkpoint(exported.folder)[1].step == info.step  # the folder is a checkpoint too


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(exported: ModelExport, release: Release, run: Path) -> None:
    other = exported.folder.with_name("other")
    script = (
        "import sys; from pathlib import Path; from model.model_card import export_model; "
        "from pipeline.release import Release; run, out, name, release = sys.argv[1:]; "
        "export_model(Path(run), Path(out), name, Release.open(Path(release)))"
    )
    arguments = [str(run), str(other), NAME, str(release.folder)]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, timeout=120)
    assert bytes_of(other) == bytes_of(exported.folder)
    assert {"README.md", "config.json", "evaluation.json", "lineage.json", "model.safetensors", "samples.png"} == set(
        bytes_of(other)
    )


def test_the_origin_stands_in_config_header_lineage_and_card(run: Path, release: Release, tmp_path: Path) -> None:
    pinned = replace(release, revision=COMMIT)
    export = export_model(run, tmp_path / "pinned", NAME, pinned)
    config = json.loads((export.folder / "config.json").read_text())
    facts = read_facts(export.folder / "model.safetensors")
    lineage = json.loads((export.folder / "lineage.json").read_text())
    digest, recipe = release.manifest.digest, config["training_digest"]
    assert config["dataset"] == {
        "ref": "tests/beasts@v1.0.0",
        "repo_id": "tests/beasts",
        "tag": "v1.0.0",
        "revision": COMMIT,
        "digest": digest,
    }
    assert (facts["dataset"], facts["dataset_commit"], facts["dataset_digest"]) == (
        "tests/beasts@v1.0.0",
        COMMIT,
        digest,
    )
    assert (facts["training_digest"], facts["code_version"]) == (recipe, config["code_version"])
    assert (lineage["dataset"]["commit"], lineage["dataset"]["digest"]) == (COMMIT, digest)
    assert lineage["training_digest"] == recipe
    (index,) = head_of(export.folder)["model-index"]
    assert index["results"][0]["dataset"]["revision"] == COMMIT
    assert json.loads((export.folder / "evaluation.json").read_text())["dataset"]["revision"] == COMMIT
    assert export.dataset.revision == COMMIT
    open_export(export.folder)


def test_without_a_commit_the_card_names_the_tag(exported: ModelExport) -> None:
    assert exported.lineage.dataset.commit == ""
    assert head_of(exported.folder)["model-index"][0]["results"][0]["dataset"]["revision"] == "v1.0.0"
    assert "none: the release came from a folder" in card_of(exported.folder)


def test_the_hub_reads_the_card_and_writes_the_same_index(exported: ModelExport) -> None:
    data = data_of(exported.folder)
    assert (data.datasets, data.library_name, data.pipeline_tag) == (["tests/beasts"], "pytorch", "text-to-image")
    assert "pixelbytes" in (data.tags or [])
    assert data.eval_results is not None
    assert data.model_name == "beasts-lstm"
    index = eval_results_to_model_index(data.model_name, data.eval_results)
    assert index == head_of(exported.folder)["model-index"]
    assert isinstance(data.license, str)


def test_the_card_shows_each_baseline_beside_the_network(exported: ModelExport) -> None:
    told = json.loads((exported.folder / "evaluation.json").read_text())
    lines = [line for line in card_of(exported.folder).splitlines() if line.startswith("| ")]
    for row in told["models"]:
        name = f"**{row['name']}**" if row["kind"] == "network" else row["name"]
        (line,) = (line for line in lines if line.startswith(f"| {name} |"))
        bits = row["bits_per_record"]
        cells = [f"{bits[part]:,.1f}" for part in ("total", "shape", "pixels", "row_ends", "caption")]
        assert all(f" {cell} " in line for cell in cells)
        assert " exact " in line
        assert f"{bits['ci95'][0]:,.0f}–{bits['ci95'][1]:,.0f}" in line
    assert {"LSTM", "Counts2D", "NGram5"} <= {row["name"] for row in told["models"]}
    assert "does not beat the best baseline" in card_of(exported.folder)  # one epoch of eight units


def test_the_code_of_the_card_runs_as_it_stands(
    exported: ModelExport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str]] = []

    def download(repo_id: str, *, revision: str) -> str:
        asked.append((repo_id, revision))
        return str(exported.folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    monkeypatch.chdir(tmp_path)
    space: dict[str, Any] = {}
    for snippet in snippets(exported.folder):
        exec(snippet, space)  # noqa: S102 - our own words
    assert asked == [(NAME, "v1.0.0")]
    assert len(space["samples"]) == 4
    assert space["drawn"].order == "text_first"
    with Image.open(tmp_path / "drawn.png") as drawn:
        assert drawn.size[0] > 0


def test_a_folder_can_be_opened_from_inside(exported: ModelExport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exported.folder)
    assert open_export(Path()).lineage == exported.lineage


def test_the_sheet_shows_what_was_drawn_and_no_held_out_picture(exported: ModelExport, release: Release) -> None:
    with Image.open(exported.folder / "samples.png") as sheet:
        shown = {tuple(colour) for colour in np.asarray(sheet.convert("RGB")).reshape(-1, 3).tolist()}
    assert tuple(release.palette.rgb[1].tolist()) in shown
    assert tuple(release.palette.rgb[HELD_OUT[0, 0]].tolist()) not in shown


def test_a_run_without_samples_has_a_card_without_a_sheet(run: Path, release: Release, tmp_path: Path) -> None:
    bare = copy_of(run, tmp_path / "run")
    shutil.rmtree(bare / "samples")
    export = export_model(bare, tmp_path / "out", NAME, release)
    assert "samples.png" not in {*export.files, *bytes_of(export.folder)}
    assert "samples.png" not in card_of(export.folder)
    open_export(export.folder)


@pytest.mark.parametrize(
    ("changes", "licence", "said"),
    [
        ({}, "cc0-1.0", "withholds nothing from redistribution"),
        (
            {"withheld": ("texts", "pictures"), "visibility": "private"},
            "other",
            "texts and pictures may not be redistributed, and this model was trained on them.\nNobody has stated",
        ),
        (
            {"withheld": ("texts",), "rights": "We own *all* of it."},
            "cc0-1.0",
            "states a right to do so: “We own &#42;all&#42; of it.”",
        ),
        ({"licences": ("CC0-1.0", "MIT")}, "other", "Its records stand under: CC0-1.0, MIT."),
    ],
)
def test_the_card_says_who_may_have_the_model(
    run: Path, release: Release, tmp_path: Path, changes: dict[str, Any], licence: str, said: str
) -> None:
    other = replace(release, manifest=replace(release.manifest, **{"licences": ("CC0-1.0",), **changes}))
    export = export_model(run, tmp_path / "out", NAME, other)
    assert head_of(export.folder)["license"] == licence
    assert said in card_of(export.folder)
    assert export.withheld == changes.get("withheld", ())
    assert export.visibility == changes.get("visibility", "public")
    private = changes.get("visibility") == "private"
    assert bool(stat.S_IMODE(export.folder.stat().st_mode) & 0o077) is not private


def test_the_models_own_publisher_may_state_a_right(run: Path, release: Release, tmp_path: Path) -> None:
    secret = replace(release, manifest=replace(release.manifest, withheld=("texts",), licences=("CC0-1.0",)))
    export = export_model(run, tmp_path / "out", NAME, secret, rights="We drew and wrote all of it.")
    card = card_of(export.folder)
    assert "The publisher of this model states: “We drew and wrote all of it.”" in card
    assert "Nobody has stated" not in card
    assert (head_of(export.folder)["license"], export.rights) == ("cc0-1.0", "We drew and wrote all of it.")
    assert open_export(export.folder).lineage.rights == export.rights
    with pytest.raises(ValueError, match="no plain line"):
        export_model(run, tmp_path / "two", NAME, secret, rights="two\nlines")


def test_the_next_version_follows_from_the_last_lineage(
    exported: ModelExport, run: Path, release: Release, tmp_path: Path
) -> None:
    assert (exported.version, exported.new) == ("v1.0.0", True)
    again = export_model(run, tmp_path / "again", NAME, release, exported.lineage)
    assert (again.version, again.new, again.digest) == ("v1.0.0", False, exported.digest)
    retold = replace(release, manifest=replace(release.manifest, title="Another title"))
    documents = export_model(run, tmp_path / "documents", NAME, retold, exported.lineage)
    assert (documents.version, documents.new) == ("v1.0.1", True)
    assert documents.files["model.safetensors"] == exported.files["model.safetensors"]
    assert 'revision="v1.0.1"' in card_of(documents.folder)


def test_judging_again_is_no_new_version(exported: ModelExport, run: Path, release: Release, tmp_path: Path) -> None:
    judged = copy_of(run, tmp_path / "run")
    change_json(judged / "evaluation.json", lambda told: told["models"][0].update(seconds=99.0))
    export = export_model(judged, tmp_path / "out", NAME, release, exported.lineage)
    assert not export.new


def test_words_from_outside_are_no_markup_on_the_card(run: Path, release: Release, tmp_path: Path) -> None:
    words = "<script>alert(1)</script> | `x` \n---\n# head [l](http://evil.example) {{ 7 * 7 }}"
    hostile = copy_of(run, tmp_path / "run")
    change_json(hostile / "evaluation.json", lambda told: told["models"][1].update(name=words))
    manifest = replace(release.manifest, title=words, licences=(words,), rights="own <b>rights</b> here")
    export = export_model(hostile, tmp_path / "out", NAME, replace(release, manifest=manifest))
    card = card_of(export.folder)
    assert "<script>" not in card.split("\n---\n", 1)[1]
    assert "<b>" not in card
    assert "[l](" not in card
    assert "# head" not in "\n".join(line for line in card.splitlines() if line.startswith("#"))
    assert data_of(export.folder).datasets == ["tests/beasts"]


def test_a_decision_lies_under_the_model_s_digests_and_makes_no_version_by_itself(
    run: Path, release: Release, exported: ModelExport, tmp_path: Path
) -> None:
    plain = export_model(run, tmp_path / "out", NAME, release, exported.lineage)
    decided = add_decision(plain, '{"why": "better"}\n')
    assert not decided.new
    assert decided.version == exported.version
    assert open_export(decided.folder).lineage == decided.lineage
    assert set(decided.lineage.files) == set(exported.lineage.files) | {DECISION}
    (decided.folder / DECISION).write_text('{"why": "worse"}\n')
    with pytest.raises(ValueError, match="is not the file"):
        open_export(decided.folder)
    with pytest.raises(ValueError, match="more than"):
        add_decision(plain, "x" * 300_000)
