"""What was measured stands beside what was published, as a table and as figures."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from model.bar_figures import Bar, Bars, bars_svg, standalone
from model.baselines import fit_baselines
from model.batches import TokenTable
from model.evaluate import Evaluation, evaluate
from model.line_figures import Lines, lines_svg, stacked
from model.paper_metrics import paper_scores
from model.paper_table import bits_figure, paper_figures, paper_table
from model.published import COUNTED, PAPER, best_published
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.tokenizer import encode_record

VOCABULARY = Vocabulary()


def evaluation() -> Evaluation:
    sprites = np.random.default_rng(0).integers(0, 4, size=(8, 5, 6)).astype(np.uint8)
    table = TokenTable.from_records(
        [(f"r{i}", encode_record(sprite, "a beast of the hills. " * 3, VOCABULARY)) for i, sprite in enumerate(sprites)]
    )
    version = DatasetVersion(repo_id="demo/beasts", tag="v1.0.0", revision="r", digest="d")
    return evaluate(fit_baselines(table, VOCABULARY), table, version, "test", seed=0, paper=paper_scores)


MADE = evaluation()


def shown(told: Evaluation) -> str:
    console = Console(width=250)
    with console.capture() as out:
        console.print(paper_table(told))
    return out.get()


def test_fifteen_variants_were_published_and_counting_beats_the_best_of_them() -> None:
    assert len(PAPER) == len({row.name for row in PAPER}) == 15
    best = best_published()
    assert (best.hamming, best.cosine, best.bleu) == (0.149, 0.906, 0.785)
    assert COUNTED.hamming < best.hamming
    assert min(COUNTED.cosine - best.cosine, COUNTED.bleu - best.bleu) > 0


def test_the_table_has_the_papers_rows_and_ours() -> None:
    text = shown(MADE)
    assert paper_table(MADE).row_count == 15 + len(MADE.models)
    for row in MADE.models:
        assert row.paper is not None
        assert row.name in text
        assert f"{row.paper.hamming:.3f} ± {row.paper.std[0]:.3f}" in text
    assert "0.170" in text


def test_scores_of_an_older_version_and_none_at_all_make_a_table_too() -> None:
    paper = MADE.models[0].paper
    assert paper is not None
    old = replace(paper, std=(), excerpts=0, text_accuracy=0.0, other_accuracy=0.0, variants=())
    models = (replace(MADE.models[0], paper=old), *(replace(row, paper=None) for row in MADE.models[1:]))
    assert "±" not in shown(replace(MADE, models=models)).split("deviation")[0]
    assert paper_table(replace(MADE, models=models)).row_count == 16
    assert paper_figures(replace(MADE, models=models[1:])) == ()


def test_figures_name_every_model_and_are_xml() -> None:
    figures = [bits_figure(MADE), *paper_figures(MADE)]
    assert len(figures) == 4
    for figure in figures:
        words = "".join(ET.fromstring(str(figure)).itertext())  # noqa: S314 - made here
        assert all(row.name in words for row in MADE.models)
    assert "of the paper" in figures[1]


def test_a_bar_is_as_long_as_its_share_of_the_longest() -> None:
    bars = (Bar(name="<b>", amounts=(1.0, 3.0), told="4"), Bar(name="half", amounts=(2.0, 0.0), told="2"))
    svg = bars_svg(Bars(bars=bars, label="x & y", legend=("one", "two")))
    widths = [float(rect.get("width", "")) for rect in ET.fromstring(str(svg)).iter("rect")]  # noqa: S314 - made here
    assert widths[0] * 3 == pytest.approx(widths[1], abs=0.5)
    assert widths[2] == pytest.approx((widths[0] + widths[1]) / 2, abs=0.5)
    assert "&lt;b&gt;" in svg


def test_a_mark_stands_where_its_value_would_end_and_makes_room_for_itself() -> None:
    bars = (Bar(name="a", amounts=(2.0,), told="2", mark=4.0), Bar(name="b", amounts=(4.0,), told="4"))
    root = ET.fromstring(str(bars_svg(Bars(bars=bars, label="x", names=100))))  # noqa: S314 - made here
    (mark,), (first, second) = list(root.iter("line")), list(root.iter("rect"))
    assert float(mark.get("x1", "")) == pytest.approx(100 + float(second.get("width", "")), abs=0.1)
    assert float(first.get("width", "")) * 2 == pytest.approx(float(second.get("width", "")), abs=0.1)
    assert [float(rect.get("x", "")) for rect in (first, second)] == [100, 100]


def test_two_curves_share_one_scale_and_a_single_point_is_a_dot() -> None:
    svg = lines_svg(Lines(title="<x>", drawn=((1.0, 4.0), (2.0, 2.0)), dashed=((1.0, 2.0), (2.0, 4.0))))
    lines = list(ET.fromstring(str(svg)).iter("polyline"))  # noqa: S314 - made here
    ups = [[float(point.split(",")[1]) for point in line.get("points", "").split()] for line in lines]
    assert ups[0] == ups[1][::-1]
    assert "&lt;x&gt;" in svg
    dot = lines_svg(Lines(title="x", drawn=((1.0, 4.0),), dashed=((1.0, float("nan")),)))
    assert len(list(ET.fromstring(str(dot)).iter("circle"))) == 1  # noqa: S314 - made here
    assert lines_svg(Lines(title="x", drawn=(), dashed=())) == ""


def test_plots_side_by_side_become_one_file() -> None:
    one = lines_svg(Lines(title="x", drawn=((0.0, 1.0), (1.0, 2.0)), dashed=()))
    root = ET.fromstring(standalone(stacked([one, one, one, one])))  # noqa: S314 - made here
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox") == "0 0 900 400"
    assert len(list(root.iter("{http://www.w3.org/2000/svg}polyline"))) == 4


@pytest.mark.parametrize("amounts", [(-1.0,), (float("nan"),), (1.0,) * 5])
def test_bars_that_cannot_be_drawn_are_refused(amounts: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="bar"):
        bars_svg(Bars(bars=(Bar(name="a", amounts=amounts, told=""),), label="x"))
    with pytest.raises(ValueError, match="bar"):
        bars_svg(Bars(bars=(Bar(name="a", amounts=(1.0,), told="", mark=-1.0),), label="x"))
    assert bars_svg(Bars(bars=(), label="x")) == ""
