"""An evaluation names what was scored, comes back from its file unchanged, and pairs the best network with the rest."""

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from model.baselines import fit_baselines
from model.batches import TokenTable
from model.evaluate import (
    Evaluation,
    PaperScores,
    PaperVariant,
    evaluate,
    evaluation_table,
    read_evaluation,
    write_evaluation,
)
from model.language_model import Kind, LanguageModel
from model.memorisation import memorisation
from model.paper_metrics import paper_scores
from model.sample_scores import Fault, ModelMemorisation, ModelValidity, Validity
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.tokenizer import encode_record

VOCABULARY = Vocabulary()
VERSION = DatasetVersion(repo_id="demo/beasts", tag="v1.0.0", revision="r1", digest="d1")


@dataclass(frozen=True)
class Renamed:
    """A baseline that says it is a network."""

    inner: LanguageModel
    name: str
    kind: Kind = "network"
    parameters: int = 7

    def log_probs(self, record: np.ndarray) -> np.ndarray:
        return self.inner.log_probs(record)


def table(seed: int) -> TokenTable:
    rng = np.random.default_rng(seed)
    sprites = [np.repeat(rng.integers(0, 4, size=(4, 1)), 5, axis=1).astype(np.uint8) for _ in range(12)]
    return TokenTable.from_records(
        [(f"r{i}", encode_record(sprite, "a small beast.", VOCABULARY)) for i, sprite in enumerate(sprites)]
    )


def evaluation() -> Evaluation:
    baselines = fit_baselines(table(1), VOCABULARY)
    networks = [Renamed(baselines[3], "Weak"), Renamed(baselines[-1], "Strong")]
    return evaluate([*networks, *baselines], table(2), VERSION, "test", seed=3)


def test_the_keys_are_the_published_ones(tmp_path: Path) -> None:
    write_evaluation(evaluation(), tmp_path / "evaluation.json")
    told = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(told) == {
        *("dataset", "models", "paired", "other_pairs", "seed", "code_version", "weights"),
        *("validity", "memorisation"),
    }
    assert told["dataset"] == {"ref": "demo/beasts@v1.0.0", "revision": "r1", "digest": "d1", "split": "test"}
    row = told["models"][0]
    assert set(row) == {
        *("name", "kind", "parameters", "bits_per_record", "bits_per_pixel", "bits_per_character"),
        *("accuracy", "paper", "seconds"),
    }
    assert set(row["bits_per_record"]) == {"total", "shape", "pixels", "row_ends", "caption", "flag", "ci95"}
    assert set(row["accuracy"]) == {"total", "pixels", "row_ends", "caption"}
    assert row["bits_per_record"]["flag"] == "exact"
    assert row["paper"] is None
    assert set(told["paired"][0]) == {"a", "b", "difference_bits", "ci95", "p_value"}


def test_an_evaluation_comes_back_from_its_file_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "run" / "evaluation.json"
    write_evaluation(evaluation(), path)
    first = read_evaluation(path)
    write_evaluation(first, path)
    assert read_evaluation(path) == first
    assert [entry.name for entry in path.parent.iterdir()] == ["evaluation.json"]


def test_an_evaluation_of_an_older_version_names_no_weights(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    write_evaluation(replace(evaluation(), weights="0" * 64), path)
    assert read_evaluation(path).weights == "0" * 64
    told = json.loads(path.read_text())
    del told["weights"]
    path.write_text(json.dumps(told))
    assert read_evaluation(path).weights == ""


def test_an_evaluation_of_an_older_version_is_read_without_what_came_later(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    write_evaluation(evaluation(), path)
    told = json.loads(path.read_text())
    del told["other_pairs"]
    for pair in told["paired"]:
        del pair["p_value"]
    told["models"][0]["paper"] = {"hamming": 0.1, "cosine": 0.9, "bleu": 0.8, "centre_accuracy": 0.5}
    path.write_text(json.dumps(told))
    found = read_evaluation(path)
    assert found.other_pairs == ()
    assert {pair.p_value for pair in found.paired} == {None}
    assert found.models[0].paper == PaperScores(hamming=0.1, cosine=0.9, bleu=0.8, centre_accuracy=0.5)


def test_every_two_models_are_compared_once() -> None:
    found = evaluation()
    names = [row.name for row in found.models]
    pairs = [frozenset((pair.a, pair.b)) for pair in (*found.paired, *found.other_pairs)]
    assert len(pairs) == len(set(pairs)) == len(names) * (len(names) - 1) // 2


def test_the_papers_metrics_are_measured_when_asked_for(tmp_path: Path) -> None:
    models = fit_baselines(table(1), VOCABULARY)[-2:]
    found = evaluate(models, table(2), VERSION, "test", seed=0, paper=paper_scores)
    for model, row in zip(models, found.models, strict=True):
        assert row.paper == paper_scores(model, table(2))
    write_evaluation(found, tmp_path / "evaluation.json")
    assert read_evaluation(tmp_path / "evaluation.json") == found


DRAWN = (
    ModelValidity(
        model="LSTM", seed=0, found=Validity(drawn=8, well_formed=7, faults=(Fault(what="cut off", count=1),))
    ),
)
COPIED = (
    ModelMemorisation(
        model="LSTM",
        seed=0,
        found=memorisation(*([np.full((3, 3), colour, dtype=np.uint8)] for colour in (1, 2, 3))),
    ),
)


def test_what_was_drawn_comes_back_and_an_older_file_lacks_it(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    found = replace(evaluation(), validity=DRAWN, memorisation=COPIED)
    write_evaluation(found, path)
    assert read_evaluation(path) == found
    told = json.loads(path.read_text())
    del told["validity"], told["memorisation"]
    path.write_text(json.dumps(told))
    assert read_evaluation(path) == replace(found, validity=(), memorisation=())


@pytest.mark.parametrize("counts", [{"drawn": 0}, {"well_formed": 9}, {"well_formed": -1}, {"drawn": "8"}])
def test_counts_that_no_drawing_gives_are_refused(tmp_path: Path, counts: dict[str, object]) -> None:
    path = tmp_path / "evaluation.json"
    write_evaluation(replace(evaluation(), validity=DRAWN), path)
    told = json.loads(path.read_text())
    told["validity"][0]["found"] |= counts
    path.write_text(json.dumps(told))
    with pytest.raises(ValueError, match="is not an evaluation"):
        read_evaluation(path)


def test_models_that_the_measure_gives_nothing_for_have_no_paper_metrics() -> None:
    models = fit_baselines(table(1), VOCABULARY)[-2:]
    scores = PaperScores(hamming=0.1, cosine=0.9, bleu=0.8, centre_accuracy=0.5)
    found = evaluate(
        models,
        table(2),
        VERSION,
        "test",
        seed=0,
        paper=lambda model, _: scores if model.name == models[0].name else None,
    )
    assert [row.paper for row in found.models] == [scores, None]


VARIANT = PaperVariant(
    wrap=False,
    reads="record",
    excerpts=4,
    hamming=0.1,
    cosine=0.9,
    bleu=0.8,
    std=(0.0, 0.1, 0.2),
    centre_accuracy=0.5,
    text_accuracy=0.2,
    other_accuracy=0.6,
)


@pytest.mark.parametrize(
    "paper",
    [
        None,
        PaperScores(hamming=0.1, cosine=0.9, bleu=0.8, centre_accuracy=0.5),
        PaperScores(hamming=0.1, cosine=0.9, bleu=0.8, centre_accuracy=0.5, std=(0.1, 0.2, 0.3), variants=(VARIANT,)),
    ],
)
def test_the_papers_scores_come_back_too(tmp_path: Path, paper: PaperScores | None) -> None:
    found = evaluation()
    told = replace(found, models=(replace(found.models[0], paper=paper), *found.models[1:]))
    write_evaluation(told, tmp_path / "evaluation.json")
    assert read_evaluation(tmp_path / "evaluation.json") == told


def test_a_failed_write_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    good = evaluation()
    write_evaluation(good, path)
    with pytest.raises(ValueError, match="JSON compliant"):
        write_evaluation(replace(good, models=(replace(good.models[0], seconds=float("nan")),)), path)
    assert read_evaluation(path) == good
    assert [entry.name for entry in tmp_path.iterdir()] == ["evaluation.json"]


def test_parts_add_up_and_the_interval_holds_the_mean() -> None:
    for row in evaluation().models:
        bits = row.bits_per_record
        assert bits.total == pytest.approx(bits.shape + bits.pixels + bits.row_ends + bits.caption)
        assert bits.ci95[0] <= bits.total <= bits.ci95[1]


def test_the_best_network_is_paired_with_everyone_else() -> None:
    found = evaluation()
    assert {pair.a for pair in found.paired} == {"Strong"}
    assert {pair.b for pair in found.paired} == {row.name for row in found.models} - {"Strong"}
    totals = {row.name: row.bits_per_record.total for row in found.models}
    for pair in found.paired:
        assert pair.difference_bits == pytest.approx(totals[pair.a] - totals[pair.b])
    twin = next(pair for pair in found.paired if pair.b == "Counts2D")
    assert twin.ci95 == (0.0, 0.0)


def test_two_models_of_one_name_are_refused() -> None:
    baselines = fit_baselines(table(1), VOCABULARY)
    with pytest.raises(ValueError, match="its own name"):
        evaluate([baselines[0], baselines[0]], table(2), VERSION, "test", seed=0)


@pytest.mark.parametrize("text", ["{", "[]", '{"dataset": {}}', "null", '{"models": [7]}', "[" * 100_000])
def test_a_file_that_is_no_evaluation_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="not an evaluation"):
        read_evaluation(path)


def test_the_terminal_table_puts_the_best_model_first() -> None:
    out = evaluation_table(evaluation())
    assert next(iter(out.columns[0].cells)) in {"Strong", "Counts2D"}
    assert out.row_count == 8
    console = Console(width=200)
    with console.capture() as shown:
        console.print(out)
    assert "demo/beasts@v1.0.0, test" in shown.get()
