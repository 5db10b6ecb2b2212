"""Only a finished run of its own release becomes a model repo, and only a whole, unchanged one is opened."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.model_card import ModelExport, export_model, open_export, read_lineage
from pipeline.release import Release
from tests.exported import COMMIT, NAME, bytes_of, change_json, copy_of


def in_json(name: str, change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    return lambda run: change_json(run / name, change)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: shutil.rmtree(run / "checkpoints"), "is no run"),
        (lambda run: shutil.rmtree(run / "checkpoints" / "last"), "does not say how far it came"),
        (lambda run: shutil.rmtree(run / "checkpoints" / "best"), "neither a checkpoint nor a run"),
        (lambda run: (run / "evaluation.json").unlink(), "was not judged yet"),
        (in_json("checkpoints/last/training.json", lambda t: t.update(epoch=0)), "stands at epoch 0 of 1"),
        (in_json("checkpoints/last/training.json", lambda t: t.update(epoch="9")), "stands at epoch '9' of 1"),
        (in_json("config.json", lambda t: t["train"].update(seed=1)), "another model or recipe"),
        (in_json("config.json", lambda t: t["train"].update(epochs="many")), "no recipe of a training"),
        (in_json("config.json", lambda t: t["model"].update(dropout=0.5)), "another model or recipe"),
        (in_json("evaluation.json", lambda t: t["dataset"].update(split="train")), "about the split train"),
        (in_json("evaluation.json", lambda t: t["dataset"].update(digest="0")), "digest 0, not about test"),
        (in_json("evaluation.json", lambda t: t.update(weights="0" * 64)), "other weights"),
        (in_json("evaluation.json", lambda t: t["models"][0].update(parameters=1)), "networks of \\[1\\] parameters"),
        (in_json("evaluation.json", lambda t: t.update(models=t["models"][:1])), "holds no baseline"),
        (in_json("evaluation.json", lambda t: t["models"][0].update(parameters="many")), "is not an evaluation"),
        (in_json("samples/samples.json", lambda t: t.update(weights="0" * 64)), "drawn by other weights"),
        (in_json("samples/samples.json", lambda t: t["from_nothing"][0].update(sprite=[300])), "holds no samples"),
        (in_json("samples/samples.json", lambda t: t["from_nothing"][0].update(sprite=[1, 2])), "holds no samples"),
        (in_json("samples/samples.json", lambda t: t["from_nothing"][0].update(sprite=[[99]])), "outside 55"),
    ],
)
def test_what_is_no_finished_run_is_refused_in_words(
    run: Path, release: Release, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    damaged = copy_of(run, tmp_path / "run")
    damage(damaged)
    with pytest.raises(ValueError, match=said):
        export_model(damaged, tmp_path / "out", NAME, release)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"digest": "0" * 64}, "give the release it was trained on"),
        ({"version": "v1.0.1"}, "give the release it was trained on"),
        ({"version": "unreleased"}, "was never published"),
    ],
)
def test_another_release_than_the_one_trained_on_is_refused(
    run: Path, release: Release, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    other = replace(release, manifest=replace(release.manifest, **change))
    with pytest.raises(ValueError, match=said):
        export_model(run, tmp_path / "out", NAME, other)


def test_an_old_export_is_replaced_and_anything_else_is_left_alone(
    exported: ModelExport, run: Path, release: Release, tmp_path: Path
) -> None:
    older = shutil.copytree(exported.folder, tmp_path / "older")
    (older / "left.txt").write_text("behind")
    assert bytes_of(export_model(run, older, NAME, release).folder) == bytes_of(exported.folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds something else"):
        export_model(run, tmp_path / "mine", NAME, release)
    with pytest.raises(ValueError, match="not of the form org/name"):
        export_model(run, tmp_path / "new", "../evil", release)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "older"]


def flip(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        body = bytearray((folder / name).read_bytes())
        body[-2] ^= 1
        (folder / name).write_bytes(bytes(body))

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        *((flip(name), "is not the file that") for name in ("model.safetensors", "config.json", "README.md")),
        (lambda folder: (folder / "evaluation.json").unlink(), "does not exist"),
        (lambda folder: (folder / "lineage.json").write_text("[" * 100_000), "no lineage"),
        (in_json("lineage.json", lambda t: t["files"].update({"../x": "0" * 64})), "is no model of ours"),
        (in_json("lineage.json", lambda t: t["files"].pop("config.json")), "is no model of ours"),
        (in_json("lineage.json", lambda t: t.update(weights="0" * 64)), "different origins"),
        (in_json("lineage.json", lambda t: t.update(training_digest="0" * 64)), "different origins"),
        (in_json("lineage.json", lambda t: t["dataset"].update(tag="v9.0.0")), "different origins"),
        (in_json("lineage.json", lambda t: t["dataset"].update(commit=COMMIT)), "different origins"),
        (in_json("lineage.json", lambda t: t["dataset"].update(repo_id="../x")), "not of the form org/name"),
        (in_json("lineage.json", lambda t: t.update(version="v1")), "none such as"),
        (in_json("lineage.json", lambda t: t.update(format=2)), "of format 2"),
    ],
)
def test_a_folder_that_was_changed_is_not_opened(
    exported: ModelExport, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    folder = shutil.copytree(exported.folder, tmp_path / "changed")
    damage(folder)
    with pytest.raises(ValueError, match=said):
        open_export(folder)


def test_what_the_hub_adds_does_not_hinder(exported: ModelExport, tmp_path: Path) -> None:
    folder = shutil.copytree(exported.folder, tmp_path / "downloaded")
    (folder / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    blob = (folder / "model.safetensors").rename(tmp_path / "blob")
    (folder / "model.safetensors").symlink_to(blob)  # as the client's cache has it
    assert open_export(folder).lineage == read_lineage(folder / "lineage.json")
