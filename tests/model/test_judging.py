"""What is judged beside bits: asked for, measured at least so often, and left to the user where it takes minutes."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import judging
from model.baselines import fit_baselines
from model.batches import load_tokens
from model.evaluate import Evaluation
from model.judging import PAPERS, Extras, Renamed, extras_of, judge, sprites_of, usual_extras
from model.memorisation import nearest_sprites
from model.network import NetworkModel
from model.paper_protocol import PaperScores
from model.runs import load_run
from pipeline.release import Release

SOME = st.builds(Extras, paper=st.sampled_from(PAPERS), validity=st.integers(0, 9), memorisation=st.integers(0, 9))


@pytest.fixture
def network(release: Release, run: Path) -> NetworkModel:
    return NetworkModel(load_run(run, release.vocabulary)[0])


@pytest.fixture
def quick_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = PaperScores(hamming=0.1, cosine=0.9, bleu=0.8, centre_accuracy=0.5)
    monkeypatch.setattr(judging, "paper_scores", lambda *_: scores)


@given(SOME, SOME)
def test_what_is_joined_holds_both_and_no_more(one: Extras, other: Extras) -> None:
    both = one.joined(other)
    assert both == other.joined(one) == both.joined(one) == both.joined(other)
    assert {both.validity} <= {one.validity, other.validity}
    assert PAPERS.index(both.paper) == max(PAPERS.index(one.paper), PAPERS.index(other.paper))


def test_counts_below_0_are_refused() -> None:
    for field in ("validity", "memorisation"):
        with pytest.raises(ValueError, match="-2 "):
            Extras(**{field: -2})


@pytest.mark.usefixtures("quick_paper")
@pytest.mark.parametrize("extras", [Extras(), Extras(paper="main"), Extras(validity=2), Extras(memorisation=3)])
def test_an_evaluation_holds_what_was_asked_for_and_says_so(
    release: Release, network: NetworkModel, extras: Extras
) -> None:
    found = judge(release, [network], extras)
    assert extras_of(found) == extras
    measured = {row.name for row in found.models if row.paper}
    assert measured == ({"LSTM", "Counts2D"} if extras.paper == "main" else set())


def test_what_is_drawn_is_held_against_the_training_split(release: Release, network: NetworkModel) -> None:
    (told,) = judge(release, [network], Extras(memorisation=4)).memorisation
    train, held_out = (sprites_of(load_tokens(release, split), release.vocabulary) for split in ("train", "test"))
    assert (told.found.sampled, told.found.held_out) == (4, len(held_out))
    assert told.found.held_out_mean_agreement == pytest.approx(nearest_sprites(held_out, train).agreement.mean())


def test_the_same_models_give_the_same_evaluation(release: Release, network: NetworkModel) -> None:
    def without_times(found: Evaluation) -> Evaluation:
        rows = tuple(dataclasses.replace(row, seconds=0.0) for row in found.models)
        return dataclasses.replace(found, models=rows)

    extras = Extras(validity=2, memorisation=2)
    first, second = (judge(release, [network], extras) for _ in range(2))
    assert without_times(first) == without_times(second)


def test_the_paper_s_metrics_of_a_large_split_are_left_to_who_asks(
    release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert usual_extras(release).paper == "main"
    monkeypatch.setattr(judging, "PAPER_TOKENS", len(load_tokens(release, "test").ids) - 1)
    assert usual_extras(release).paper == "none"


def test_a_model_named_like_a_baseline_is_refused_and_another_name_lets_it_in(release: Release) -> None:
    counted = fit_baselines(load_tokens(release, "train"), release.vocabulary)[-1]
    with pytest.raises(ValueError, match="its own name"):
        judge(release, [counted])
    renamed = Renamed(counted, "Counts2D of another day")
    rows = {row.name: row for row in judge(release, [renamed]).models}
    assert rows["Counts2D of another day"].bits_per_record == rows["Counts2D"].bits_per_record
    record = load_tokens(release, "test").record(0)
    np.testing.assert_array_equal(renamed.next_log_probs([record[:9]]), counted.next_log_probs([record[:9]]))
