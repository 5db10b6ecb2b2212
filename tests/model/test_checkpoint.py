import fcntl
import json
import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from model.checkpoint import (
    CheckpointInfo,
    TrainingState,
    commit_of,
    load_checkpoint,
    read_info,
    read_state,
    save_checkpoint,
    settle,
)
from model.config import ModelConfig
from model.network import Network
from palettes.palette import Palette
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion

PALETTE = Palette(name="two", rgb=np.array([[0, 0, 0], [255, 9, 1]], dtype=np.uint8))
VOCABULARY = Vocabulary(palette=PALETTE, extras=("<extra>",))
DATASET = DatasetVersion(repo_id="tests/two", tag="v2.0.0", revision="abc", digest="0123")
CONFIG = ModelConfig(d_model=8, d_state=4, k=3)


def info(step: int = 3) -> CheckpointInfo:
    return CheckpointInfo(
        model=CONFIG, vocabulary=VOCABULARY, dataset=DATASET, training_digest="t", step=step, validation_bits=12.5
    )


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "best", Network(CONFIG, len(VOCABULARY)), info())
    return tmp_path / "best"


def test_a_checkpoint_comes_back_with_its_weights_dataset_and_colours(saved: Path) -> None:
    torch.manual_seed(0)
    wanted = Network(CONFIG, len(VOCABULARY)).state_dict()
    network, found = load_checkpoint(saved, VOCABULARY)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in network.state_dict().items())
    assert not network.training
    assert (found.dataset, found.step, found.validation_bits) == (DATASET, 3, 12.5)
    assert found.vocabulary.palette.name == "two"
    assert np.array_equal(found.vocabulary.palette.rgb, PALETTE.rgb)
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]


def test_the_weights_alone_say_what_they_were_trained_on(saved: Path) -> None:
    with safe_open(saved / "model.safetensors", framework="pt") as opened:
        assert opened.metadata() == {
            "format": "pt",
            "dataset": "tests/two@v2.0.0",
            "dataset_commit": "",  # "abc" is none
            "dataset_digest": "0123",
            "vocabulary": VOCABULARY.digest,
            "code_version": info().code_version,
            "training_digest": "t",
        }


def test_a_version_is_pinned_by_a_commit_and_by_nothing_else() -> None:
    commit = "0123456789abcdef" * 2 + "01234567"
    assert commit_of(replace(DATASET, revision=commit)) == commit
    for other in (DATASET.digest, "main", "v1.0.0", commit.upper(), commit + "0", ""):
        assert commit_of(replace(DATASET, revision=other)) == ""


def test_another_vocabulary_is_refused(saved: Path) -> None:
    with pytest.raises(ValueError, match="use the dataset tests/two@"):
        load_checkpoint(saved, Vocabulary())


def test_changed_colours_are_noticed(saved: Path) -> None:
    values = json.loads((saved / "config.json").read_text())
    values["vocabulary"]["colours"][0] = "010101"
    (saved / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"its config\.json was changed"):
        read_info(saved)


def damage_truncated(saved: Path) -> None:
    path = saved / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def damage_missing_weights(saved: Path) -> None:
    (saved / "model.safetensors").unlink()


def damage_missing_tensor(saved: Path) -> None:
    tensors = load_file(saved / "model.safetensors")
    del tensors["head.bias"]
    save_file(tensors, saved / "model.safetensors")


def damage_other_shape(saved: Path) -> None:
    tensors = load_file(saved / "model.safetensors")
    save_file(tensors | {"head.bias": torch.zeros(3)}, saved / "model.safetensors")


def damage_not_finite(saved: Path) -> None:
    tensors = load_file(saved / "model.safetensors")
    save_file(tensors | {"head.bias": tensors["head.bias"] * torch.nan}, saved / "model.safetensors")


def damage_not_json(saved: Path) -> None:
    (saved / "config.json").write_text("{")


def damage_list(saved: Path) -> None:
    (saved / "config.json").write_text("[]")


def damage_missing_key(saved: Path) -> None:
    values = json.loads((saved / "config.json").read_text())
    del values["dataset"]
    (saved / "config.json").write_text(json.dumps(values))


def damage_huge_config(saved: Path) -> None:
    (saved / "config.json").write_text(" " * (2**20 + 1))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_truncated, "is damaged"),
        (damage_missing_weights, "does not exist"),
        (damage_missing_tensor, r"'head\.bias' is missing or foreign"),
        (damage_other_shape, r"'head\.bias' is torch\.float32 \(3,\)"),
        (damage_not_finite, "not finite"),
        (damage_not_json, "is not JSON"),
        (damage_list, "no JSON object"),
        (damage_missing_key, "not a checkpoint's config"),
        (damage_huge_config, "no checkpoint of ours"),
    ],
)
def test_a_damaged_checkpoint_says_what_is_wrong(saved: Path, damage: object, said: str) -> None:
    assert callable(damage)
    damage(saved)
    with pytest.raises(ValueError, match=said):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (("model", "d_model"), 10**9, "no checkpoint of ours"),
        (("model", "d_state"), 2**14, "missing or foreign|but its config asks for"),
        (("model", "layers"), 10**12, "no checkpoint of ours"),
        (("model", "d_model"), 8.0, "d_model is 8.0: it must be of type int"),
        (("model", "layers"), True, "layers is True: it must be of type int"),
        (("model", "conv"), "no", "conv is 'no': it must be of type bool"),
        (("dataset", "tag"), ["v1.0.0"], "dataset: tag is"),
        (("step",), "3", "step is '3': it must be of type int"),
        (("validation_bits",), "12", "validation_bits is '12'"),
        (("code_version",), {"a": 1}, "code_version is"),
        (("training_digest",), 7, "training_digest is 7"),
    ],
)
def test_a_config_from_a_stranger_is_read_with_care(
    saved: Path, place: tuple[str, ...], value: object, said: str
) -> None:
    values = json.loads((saved / "config.json").read_text())
    inner = values[place[0]] if len(place) > 1 else values
    inner[place[-1]] = value
    (saved / "config.json").write_text(json.dumps(values))
    with pytest.raises(ValueError, match=said):
        load_checkpoint(saved)


def test_a_config_that_is_nested_without_end_is_refused(saved: Path) -> None:
    (saved / "config.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="is not JSON"):
        load_checkpoint(saved)


def test_a_checkpoint_can_be_opened_from_inside_its_folder(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved)
    assert load_checkpoint(Path())[1].step == 3


def test_a_second_save_replaces_the_first_and_leaves_nothing_behind(saved: Path) -> None:
    save_checkpoint(saved, Network(CONFIG, len(VOCABULARY)), info(step=9))
    assert read_info(saved).step == 9
    assert [path.name for path in saved.parent.iterdir()] == ["best"]


def test_a_kill_between_the_two_renames_loses_nothing(saved: Path) -> None:
    saved.rename(saved.with_name(".best.old"))
    shutil.copytree(saved.with_name(".best.old"), saved.with_name(".best.new"))
    assert load_checkpoint(saved)[1].step == 3
    save_checkpoint(saved, Network(CONFIG, len(VOCABULARY)), info(step=4))
    assert load_checkpoint(saved)[1].step == 4


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_settling_puts_the_old_checkpoint_back_and_removes_the_half_written_one(saved: Path) -> None:
    saved.rename(saved.with_name(".best.old"))
    saved.with_name(".best.new").mkdir()
    settle(saved)
    assert names(saved.parent) == ["best"]
    assert load_checkpoint(saved)[1].step == 3


def test_settling_keeps_the_new_checkpoint_where_the_swap_was_done(saved: Path) -> None:
    shutil.copytree(saved, saved.with_name(".best.old"))
    save_checkpoint(saved.with_name("next"), Network(CONFIG, len(VOCABULARY)), info(step=4))
    shutil.rmtree(saved)
    saved.with_name("next").rename(saved)
    settle(saved)
    assert names(saved.parent) == ["best"]
    assert read_info(saved).step == 4


def test_settling_removes_a_first_checkpoint_that_was_never_finished(tmp_path: Path) -> None:
    (tmp_path / ".best.new").mkdir()
    (tmp_path / ".best.new" / "model.safetensors").write_bytes(b"half")
    settle(tmp_path / "best")
    assert names(tmp_path) == []


def test_settling_needs_no_folder_and_touches_no_neighbour(saved: Path) -> None:
    settle(saved.parent / "absent" / "best")
    saved.with_name(".last.new").mkdir()
    settle(saved)
    assert names(saved.parent) == [".last.new", "best"]


def test_settling_waits_for_a_save_that_is_under_way(saved: Path) -> None:
    saved.with_name(".best.new").mkdir()
    handle = os.open(saved.parent, os.O_RDONLY)  # as save_checkpoint of another process holds it
    fcntl.flock(handle, fcntl.LOCK_EX)
    other = threading.Thread(target=settle, args=(saved,))
    other.start()
    other.join(0.2)
    assert saved.with_name(".best.new").exists()
    os.close(handle)
    other.join(5)
    assert names(saved.parent) == ["best"]


def test_training_state_comes_back_exactly(tmp_path: Path) -> None:
    state = TrainingState(tensors={"rng": torch.get_rng_state()}, numbers={"nats": 0.1 + 0.2, "best": None})
    save_checkpoint(tmp_path / "last", Network(CONFIG, len(VOCABULARY)), info(), state)
    found = read_state(tmp_path / "last")
    assert found.numbers == state.numbers
    assert torch.equal(found.tensors["rng"], state.tensors["rng"])
