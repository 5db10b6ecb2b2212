"""A baseline comes back from its folder as it was; what was changed, damaged or of another vocabulary is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from model.baseline_files import CONFIG, WEIGHTS, is_baseline, load_baseline, save_baseline
from model.baselines import ChainModel, fit_baselines
from model.batches import TokenTable
from model.evaluate import evaluate
from model.language_model import LanguageModel
from model.tensor_files import packed, read_tensors, weights_digest
from palettes.palette import Palette
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.tokenizer import encode_record

VOCABULARY = Vocabulary()
VERSION = DatasetVersion(repo_id="demo/beasts", tag="v1.0.0", revision="r1", digest="d1")


def table(seed: int) -> TokenTable:
    rng = np.random.default_rng(seed)
    sprites = rng.integers(0, 5, size=(10, 4, 6)).astype(np.uint8)
    return TokenTable.from_records(
        [(f"r{i}", encode_record(sprite, f"beast {i} of the hills.", VOCABULARY)) for i, sprite in enumerate(sprites)]
    )


MODELS = fit_baselines(table(1), VOCABULARY)
named = pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)


@named
def test_a_baseline_answers_after_loading_as_before(model: LanguageModel, tmp_path: Path) -> None:
    save_baseline(tmp_path / "one", model, VOCABULARY, VERSION)
    found, info = load_baseline(tmp_path / "one", VOCABULARY)
    assert (found.name, found.kind, found.parameters) == (model.name, "baseline", model.parameters)
    assert info.dataset == VERSION
    for i in range(3):
        record = table(2).record(i)
        np.testing.assert_array_equal(found.log_probs(record), model.log_probs(record))


@named
def test_saving_twice_gives_the_same_bytes(model: LanguageModel, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_baseline(tmp_path / name, model, VOCABULARY, VERSION)
    save_baseline(tmp_path / "two", load_baseline(tmp_path / "two", VOCABULARY)[0], VOCABULARY, VERSION)
    for file in (WEIGHTS, CONFIG):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == [CONFIG, WEIGHTS]


def test_loaded_baselines_are_evaluated_like_fitted_ones(tmp_path: Path) -> None:
    for model in MODELS:
        save_baseline(tmp_path / model.name, model, VOCABULARY, VERSION)
    loaded = [load_baseline(tmp_path / model.name, VOCABULARY)[0] for model in MODELS]
    found, expected = (evaluate(models, table(3), VERSION, "test", seed=1) for models in (loaded, MODELS))
    assert [replace(row, seconds=0.0) for row in found.models] == [replace(row, seconds=0.0) for row in expected.models]


@named
def test_changed_counts_are_refused(model: LanguageModel, tmp_path: Path) -> None:
    save_baseline(tmp_path, model, VOCABULARY, VERSION)
    tensors = read_tensors(tmp_path / WEIGHTS)
    name = max(tensors)
    tensors[name] = tensors[name] + 1
    (tmp_path / WEIGHTS).write_bytes(packed(tensors, {}))
    with pytest.raises(ValueError, match="not those its"):
        load_baseline(tmp_path, VOCABULARY)


@pytest.mark.parametrize("field", ["contexts", "totals", "starts", "tokens", "counts"])
@pytest.mark.parametrize("change", ["shift", "shorten", "retype", "drop"])
def test_counts_that_do_not_fit_together_are_refused_even_with_their_digest(
    field: str, change: Literal["shift", "shorten", "retype", "drop"], tmp_path: Path
) -> None:
    save_baseline(tmp_path, MODELS[-1], VOCABULARY, VERSION)
    tensors = read_tensors(tmp_path / WEIGHTS)
    name = f"pixels.1.{field}"
    if change == "shift":
        tensors[name] = tensors[name].flip(0) * 3 if field == "contexts" else tensors[name] + 120
    elif change == "shorten":
        tensors[name] = tensors[name][:-1]
    elif change == "retype":
        tensors[name] = tensors[name].to(torch.bfloat16)
    else:
        del tensors[name]
    (tmp_path / WEIGHTS).write_bytes(packed(tensors, {}))
    if change == "retype":
        with pytest.raises(ValueError, match="not those its"):
            load_baseline(tmp_path, VOCABULARY)
        return
    told = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(told | {"weights": weights_digest(tensors)}))
    with pytest.raises(ValueError, match="fit"):
        load_baseline(tmp_path, VOCABULARY)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "network"},
        {"unknown": 1},
        {"order": "2"},
        {"order": 3},
        {"leaning": {"chain": [1.0, -1.0]}},
        {"leaning": {}},
        {"leaning": {"chain": [1.0]}},
        {"dataset": None},
        {"weights": "0" * 64},
    ],
)
def test_a_changed_config_is_refused_in_words(change: dict[str, object], tmp_path: Path) -> None:
    save_baseline(tmp_path, MODELS[3], VOCABULARY, VERSION)
    told = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(told | change))
    with pytest.raises(ValueError, match=r"again|level"):
        load_baseline(tmp_path, VOCABULARY)


@pytest.mark.parametrize("change", [{"trust": 1.5}, {"name": "Oracle"}, {"trust": 0.0}])
def test_a_guess_that_is_none_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    save_baseline(tmp_path, MODELS[0], VOCABULARY, VERSION)
    told = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(told | change))
    with pytest.raises(ValueError, match="no guess"):
        load_baseline(tmp_path, VOCABULARY)


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    save_baseline(tmp_path, MODELS[-1], VOCABULARY, VERSION)
    other = Vocabulary(palette=Palette(name="two", rgb=np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)))
    with pytest.raises(ValueError, match="vocabulary"):
        load_baseline(tmp_path, other)


def test_a_folder_without_a_baseline_is_told_apart(tmp_path: Path) -> None:
    assert not is_baseline(tmp_path)
    for text in ("{", "[]", '{"model": {}}', "[" * 100_000):
        (tmp_path / CONFIG).write_text(text)
        assert not is_baseline(tmp_path)
    with pytest.raises(ValueError, match="no baseline"):
        load_baseline(tmp_path, VOCABULARY)
    save_baseline(tmp_path, MODELS[0], VOCABULARY, VERSION)
    assert is_baseline(tmp_path)


def test_only_baselines_are_saved(tmp_path: Path) -> None:
    class Other:
        name: str = "Other"
        kind: Literal["network", "baseline"] = "baseline"
        parameters: int = 1

        def log_probs(self, record: np.ndarray) -> np.ndarray:
            return np.zeros((len(record), len(VOCABULARY)))

    with pytest.raises(ValueError, match="Other is no baseline"):
        save_baseline(tmp_path, Other(), VOCABULARY, VERSION)
    assert not list(tmp_path.iterdir())
    broken = MODELS[3]
    assert isinstance(broken, ChainModel)
    with pytest.raises(ValueError, match="order"):
        save_baseline(tmp_path, replace(broken, order=4), VOCABULARY, VERSION)
    assert not list(tmp_path.iterdir())
