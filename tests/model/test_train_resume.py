import json
from dataclasses import replace
from pathlib import Path

import pytest

from model.config import ModelConfig, TrainConfig
from model.presets import Preset
from model.runs import train_run
from model.train import Progress, resume_run, train
from model.training_run import describe_run
from pipeline.release import Release
from tests.stripes import MODEL, RECIPE, Enough, log_of, recipe, same_weights, stripes_data, train_until

LAST = {"targets": "last", "text_first": 0.0, "sequence": 24, "stride": 40, "batch_sequences": 4, "evaluate_every": 2}
WAYS = {
    "the paper's sequences": (
        recipe(**LAST, final_share=1.0, warm_up=0.0, beta2=0.999),
        replace(MODEL, look="current"),
    ),
    "mirrored records": (recipe(mirror=0.5), MODEL),
}
PRESET = Preset(
    name="two",
    about="for tests",
    model=ModelConfig(d_model=8, d_state=8, layers=1, k=3),
    train=TrainConfig(epochs=2, batch_tokens=8192, threads=1, checkpoint_seconds=1e-9),
)


@pytest.mark.parametrize("way", list(WAYS))
def test_every_way_of_reading_is_resumed_to_the_same_losses(tmp_path: Path, way: str) -> None:
    config, model = WAYS[way]
    often = replace(config, checkpoint_seconds=1e-9)
    train(stripes_data(), model, often, tmp_path / "whole")
    steps = int(log_of(tmp_path / "whole")[-1]["step"])
    for stop in (2, steps // 2 + 1):
        train_until(stop, often, tmp_path / "pieces", model)
    train(stripes_data(), model, often, tmp_path / "pieces")
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "pieces")
    assert same_weights(tmp_path / "whole", tmp_path / "pieces")


def test_the_papers_protocol_learns_at_a_rate_that_stands_still(tmp_path: Path) -> None:
    config = recipe(**LAST | {"stride": 7}, final_share=1.0, warm_up=0.0, epochs=6)
    train(stripes_data(), replace(MODEL, look="current", dropout=0.0), config, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "logs" / "history.jsonl").read_text().splitlines()]
    assert {line["learning_rate"] for line in lines} == {1e-2}
    bits = [line["validation_bits"] for line in log_of(tmp_path)]
    assert len(bits) == 3
    assert bits[-1] < 0.95 * bits[0]
    assert log_of(tmp_path)[-1]["tokens"] == log_of(tmp_path)[0]["tokens"] * 3  # one a sequence


def test_sequences_refuse_what_would_reorder_the_split(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"text_first is 0\.5 and mirror 0\.0, but targets 'last' reads the split as"):
        train(stripes_data(), MODEL, recipe(targets="last", sequence=24), tmp_path)


def test_a_folder_with_the_config_of_an_older_version_is_resumed(tmp_path: Path) -> None:
    train(stripes_data(), MODEL, RECIPE, tmp_path / "whole")
    often = recipe(checkpoint_seconds=1e-9)
    train_until(4, often, tmp_path / "old")
    path = tmp_path / "old" / "config.json"
    told = json.loads(path.read_text())
    assert not TrainConfig.LATER & set(told["train"])  # as an older version wrote it
    assert not ModelConfig.LATER & set(told["model"])
    told["train"]["mirror"] = 0.0  # and as one does that writes every field
    path.write_text(json.dumps(told))
    train(stripes_data(), MODEL, often, tmp_path / "old")
    assert log_of(tmp_path / "whole") == log_of(tmp_path / "old")
    with pytest.raises(ValueError, match="holds a run with another train"):
        train(stripes_data(), MODEL, recipe(checkpoint_seconds=1e-9, mirror=0.5), tmp_path / "old")


def begun(release: Release, data: Path) -> Path:
    """Begin a run in a data root and die in it; return its folder."""

    def kill(at: Progress) -> None:
        if at.step >= 2:
            raise Enough

    with pytest.raises(Enough):
        train_run(release, data / "runs", PRESET, kill)
    (folder,) = (data / "runs").iterdir()
    return folder


def test_a_run_goes_on_by_its_folder_and_the_release_that_it_names(release: Release, tmp_path: Path) -> None:
    whole = train_run(release, tmp_path / "whole", PRESET)
    folder = begun(release, tmp_path)
    resume_run(folder, release)
    assert log_of(folder) == log_of(whole)
    assert describe_run(folder).dataset == release.version


def test_a_run_finds_its_release_in_the_data_root_around_it(release: Release, tmp_path: Path) -> None:
    folder = begun(release, tmp_path)
    place = tmp_path / "releases" / release.manifest.name
    place.mkdir(parents=True)
    (place / release.manifest.version).symlink_to(release.folder.absolute())
    resume_run(folder)
    assert describe_run(folder).train == PRESET.train
    assert (folder / "checkpoints" / "best").is_dir()


def test_a_run_refuses_another_release_than_its_own(release: Release, tmp_path: Path) -> None:
    folder = begun(release, tmp_path)
    other = replace(release, manifest=replace(release.manifest, digest="0" * 64))
    with pytest.raises(ValueError, match=r"was begun on tests/beasts@v1\.0\.0 with digest .* but .* has 000000000000"):
        resume_run(folder, other)


@pytest.mark.parametrize("said", ["[]", "{}", '{"model": 3, "train": {}, "dataset": {}}'])
def test_a_folder_that_is_no_run_says_so(tmp_path: Path, said: str) -> None:
    with pytest.raises(ValueError, match=r"has no config\.json: give a run's folder"):
        resume_run(tmp_path)
    (tmp_path / "config.json").write_text(said)
    with pytest.raises(ValueError, match=r"config\.json' (is not a run's config|holds no JSON object)"):
        resume_run(tmp_path)
