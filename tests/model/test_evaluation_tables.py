"""A difference is told with its interval and its chance, and called one only where both say so."""

import pytest
from rich.console import Console
from rich.table import Table

from model.evaluate import Accuracy, EvaluatedOn, Evaluation, ModelScore, Paired, RecordBits
from model.evaluation_tables import drawn_table, narrow_table, pairs_table, shown_pairs, verdict
from model.language_model import Kind
from model.memorisation import Memorisation
from model.sample_scores import Fault, ModelMemorisation, ModelValidity, Validity


def row(name: str, kind: Kind, total: float) -> ModelScore:
    low, high = total - 1, total + 1
    bits = RecordBits(total=total, shape=1.0, pixels=low, row_ends=0.0, caption=0.0, ci95=(low, high))
    accuracy = Accuracy(total=0.5, pixels=0.5, row_ends=0.5, caption=0.5)
    return ModelScore(
        name=name, kind=kind, parameters=1, bits_per_record=bits, bits_per_pixel=1.0, bits_per_character=1.0,
        accuracy=accuracy, seconds=0.0,
    )  # fmt: skip


def pair(a: str, b: str, difference: float, p: float | None = 0.001) -> Paired:
    low, high = difference - 2, difference + 2
    return Paired(a=a, b=b, difference_bits=difference, ci95=(low, high), p_value=p)


MEMORISATION = Memorisation(
    sampled=8, copies=1, mean_agreement=0.5, quantiles=(0.25, 0.5, 0.75), held_out=4, held_out_copies=0,
    held_out_mean_agreement=0.375, held_out_quantiles=(0.25, 0.5, 0.75), nearer_than_real=0.125, palette_distance=0.25,
)  # fmt: skip
EVALUATION = Evaluation(
    dataset=EvaluatedOn(ref="a/b@v1.0.0", revision="r", digest="d", split="test"),
    models=(
        row("A", "network", 90.0),
        row("B", "network", 95.0),
        row("C", "baseline", 100.0),
        row("D", "baseline", 120.0),
    ),
    paired=(pair("A", "B", -5.0), pair("A", "C", -10.0, 0.25), pair("A", "D", 1.0)),
    other_pairs=(pair("B", "C", -5.0, None), pair("B", "D", -25.0), pair("C", "D", -20.0)),
    seed=0,
    code_version="1",
    validity=(
        ModelValidity(
            model="A",
            seed=0,
            found=Validity(drawn=8, well_formed=6, faults=(Fault(what="cut off where CAPTION is due", count=2),)),
        ),
    ),
    memorisation=(ModelMemorisation(model="A", seed=0, found=MEMORISATION),),
)


def text_of(table: Table) -> str:
    console = Console(width=160)
    with console.capture() as shown:
        console.print(table)
    return shown.get()


def test_pairs_of_networks_are_shown_and_those_of_count_models_alone_are_not() -> None:
    names = [(one.a, one.b) for one in shown_pairs(EVALUATION)]
    assert names == [("A", "B"), ("A", "C"), ("A", "D"), ("B", "C"), ("B", "D")]


@pytest.mark.parametrize(
    ("one", "so"),
    [
        (pair("A", "B", -5.0), "A is better"),
        (pair("A", "B", 5.0), "B is better"),
        (pair("A", "B", 1.0), "not told apart"),  # the interval holds 0
        (pair("A", "B", -5.0, 0.05), "not told apart"),  # chance does it too often
        (pair("A", "B", -5.0, None), "A is better"),  # an older evaluation has no p
    ],
)
def test_a_difference_is_one_where_interval_and_chance_say_so(one: Paired, so: str) -> None:
    assert verdict(one) == so


def test_the_table_of_pairs_tells_difference_interval_and_chance() -> None:
    shown = text_of(pairs_table(EVALUATION))
    (line,) = [line for line in shown.splitlines() if "A − C" in line]
    for word in ("-10.0", "-12.0 to -8.0", "0.25"):
        assert word in line
    assert "first" not in line
    assert "first" in next(line for line in shown.splitlines() if "A − B" in line)
    assert max(map(len, shown.splitlines())) <= 80


def test_a_narrow_terminal_is_told_bits_by_part_the_best_first() -> None:
    shown = text_of(narrow_table(EVALUATION))
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.index(" A ") < shown.index(" B ") < shown.index(" C ") < shown.index(" D ")
    assert "119" in shown  # the pixels of D


def test_what_was_drawn_is_told_where_it_was_measured() -> None:
    table = drawn_table(EVALUATION)
    assert table is not None
    shown = text_of(table)
    for word in ("6 of 8", "cut off where CAPTION is due (2)", "1 of 8", "50.0%", "37.5%", "12.5%", "0.250"):
        assert word in shown
    bare = Evaluation(dataset=EVALUATION.dataset, models=EVALUATION.models, paired=(), seed=0, code_version="1")
    assert drawn_table(bare) is None
