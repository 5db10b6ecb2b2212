"""Who reigns: only what is better beyond noise, whatever else is said."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.evaluate import Accuracy, EvaluatedOn, Evaluation, ModelScore, Paired, RecordBits
from model.promotion import SURE, Reigning, beyond_noise, chosen, pair_of, rule

ON = EvaluatedOn(ref="org/beasts@v1.1.0", revision="c0", digest="d0", split="test")
CHAMPION = "org/model@v1.0.0"
BASELINES = ("NGram5", "Counts2D")
ACCURACY = Accuracy(total=0.5, pixels=0.5, row_ends=0.5, caption=0.5)
numbers = st.floats(-1e6, 1e6)
chances = st.floats(1e-4, 1.0)


def score(name: str) -> ModelScore:
    bits = RecordBits(total=9.0, shape=1.0, pixels=5.0, row_ends=1.0, caption=2.0, ci95=(8.0, 10.0))
    kind = "baseline" if name in BASELINES else "network"
    return ModelScore(
        name=name,
        kind=kind,  # type: ignore[arg-type]  # one of two
        parameters=1,
        bits_per_record=bits,
        bits_per_pixel=1.0,
        bits_per_character=1.0,
        accuracy=ACCURACY,
        seconds=0.0,
    )


@st.composite
def pairs(draw: st.DrawFn, b: str) -> Paired:
    """Return how much more the challenger pays than `b`."""
    low, middle, high = sorted(draw(st.tuples(numbers, numbers, numbers)))
    return Paired(a="small", b=b, difference_bits=middle, ci95=(low, high), p_value=draw(chances))


def won(b: str) -> Paired:
    return Paired(a="small", b=b, difference_bits=-5.0, ci95=(-6.0, -4.0), p_value=0.001)


def turned(pair: Paired) -> Paired:
    """Return the same pair told the other way round."""
    low, high = pair.ci95
    return replace(pair, a=pair.b, b=pair.a, difference_bits=-pair.difference_bits, ci95=(-high, -low))


def judged(*told: Paired) -> Evaluation:
    names = dict.fromkeys(name for pair in told for name in (pair.a, pair.b))
    models = tuple(score(name) for name in names)
    return Evaluation(dataset=ON, models=models, paired=told[:1], other_pairs=told[1:], seed=0, code_version="1")


reigning = st.builds(
    Reigning,
    name=st.just(CHAMPION),
    gone=st.sampled_from(["", "its weights are damaged"]),
    foreign=st.sampled_from(["", "it reads other ids"]),
    late=st.sampled_from(["", "org/beasts@v1.2.0"]),
)


@given(pairs("NGram5"), pairs("Counts2D"), pairs(CHAMPION), st.none() | reigning)
def test_a_challenger_is_promoted_exactly_when_everything_that_is_asked_of_it_holds(
    one: Paired, other: Paired, against: Paired, champion: Reigning | None
) -> None:
    asked = champion is not None and champion.asked
    found = rule(judged(one, other, *([against] if asked else [])), "small", champion)
    beats = all(beyond_noise(pair) for pair in (one, other))
    stays = champion is not None and bool(champion.late) and not champion.gone
    better = beyond_noise(against)
    assert (found.outcome == "promoted") == (beats and not stays and (better or not asked))
    assert found.paired == (against if asked else None)
    assert (CHAMPION if stays else "small") in found.why
    assert "\n" not in found.why


@given(pairs("NGram5"), pairs("Counts2D"), pairs(CHAMPION))
def test_it_does_not_matter_which_way_round_a_pair_is_told(one: Paired, other: Paired, against: Paired) -> None:
    champion = Reigning(name=CHAMPION)
    told = rule(judged(one, other, against), "small", champion)
    assert rule(judged(turned(one), turned(other), turned(against)), "small", champion) == told


@given(pairs("NGram5"), pairs("Counts2D"), pairs(CHAMPION), st.floats(0, 1e6))
def test_a_challenger_that_pays_less_is_never_the_worse_off(
    one: Paired, other: Paired, against: Paired, less: float
) -> None:
    def cheaper(pair: Paired) -> Paired:
        low, high = pair.ci95
        return replace(pair, difference_bits=pair.difference_bits - less, ci95=(low - less, high - less))

    champion = Reigning(name=CHAMPION)
    if rule(judged(one, other, against), "small", champion).outcome == "promoted":
        easier = judged(cheaper(one), cheaper(other), cheaper(against))
        assert rule(easier, "small", champion).outcome == "promoted"


def test_a_few_records_prove_nothing_against_a_baseline_either() -> None:
    lucky = replace(won("Counts2D"), ci95=(-5.0, -5.0), p_value=1.0)  # one record, whose interval is a point
    found = rule(judged(won("NGram5"), lucky), "small", None)
    assert (found.outcome, "not better than Counts2D" in found.why) == ("kept", True)


def test_the_first_to_beat_every_baseline_reigns() -> None:
    found = rule(judged(won("NGram5"), won("Counts2D")), "small", None)
    assert found.outcome == "promoted"
    assert found.why == "small beats every baseline, and nobody reigned before"


def test_a_tie_with_a_baseline_or_the_champion_changes_nothing_and_says_with_whom() -> None:
    tie = replace(won("Counts2D"), difference_bits=-1.0, ci95=(-3.0, 1.0))
    assert "not better than Counts2D beyond noise: -1.0 bits" in rule(judged(won("NGram5"), tie), "small", None).why
    level = replace(won(CHAMPION), difference_bits=-2.0, ci95=(-4.0, 0.0))
    found = rule(judged(won("NGram5"), won("Counts2D"), level), "small", Reigning(name=CHAMPION))
    assert (found.outcome, found.paired) == ("kept", level)
    assert f"not better than {CHAMPION} beyond noise" in found.why
    rare = replace(won(CHAMPION), p_value=SURE)
    assert rule(judged(won("NGram5"), rare), "small", Reigning(name=CHAMPION)).outcome == "kept"


def test_a_champion_of_a_newer_version_stays_even_where_the_challenger_is_better() -> None:
    champion = Reigning(name=CHAMPION, late="org/beasts@v1.2.0")
    found = rule(judged(won("NGram5"), won("Counts2D"), won(CHAMPION)), "small", champion)
    assert found.outcome == "kept"
    assert "trained on org/beasts@v1.2.0, which is newer than org/beasts@v1.1.0" in found.why


@pytest.mark.parametrize(
    ("champion", "said"),
    [
        (Reigning(name=CHAMPION, gone="x" * 5_000), "cannot be read: xxx"),
        (Reigning(name=CHAMPION, gone="lost", late="org/beasts@v1.2.0"), "cannot be read: lost"),
        (Reigning(name=CHAMPION, foreign="other ids"), "cannot score these records: other ids"),
    ],
)
def test_a_champion_that_cannot_be_asked_makes_room_for_whoever_beats_the_baselines(
    champion: Reigning, said: str
) -> None:
    found = rule(judged(won("NGram5"), won("Counts2D")), "small", champion)
    assert (found.outcome, found.paired) == ("promoted", None)
    assert said in found.why
    assert len(found.why) < 1_000
    lost = replace(won("NGram5"), ci95=(-1.0, 2.0))
    assert rule(judged(lost), "small", champion).outcome == "kept"


def test_what_was_not_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="holds no baseline"):
        rule(judged(won(CHAMPION)), "small", Reigning(name=CHAMPION))
    with pytest.raises(ValueError, match="does not pair 'small' with 'org/model"):
        rule(judged(won("NGram5")), "small", Reigning(name=CHAMPION))
    with pytest.raises(ValueError, match="has no p"):
        beyond_noise(replace(won(CHAMPION), p_value=None))
    assert pair_of(judged(won("NGram5")), "NGram5", "small").difference_bits == 5.0


@given(st.dictionaries(st.text(max_size=4), st.floats(0, 1e6), min_size=1))
def test_the_challenger_is_whoever_pays_least_on_validation(bits: dict[str, float]) -> None:
    assert bits[chosen(bits)] == min(bits.values())
    assert chosen(dict(reversed(bits.items()))) == chosen(bits)


def test_of_nobody_none_is_chosen() -> None:
    with pytest.raises(ValueError, match="nothing was trained"):
        chosen({})
