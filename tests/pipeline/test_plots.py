"""Plots are sharp, small, and the same bytes for the same release, whatever the reader's own settings are."""

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from palettes.palette import load_palette
from pipeline.cards.credits import Credits
from pipeline.cards.plots import BINS, DPI, PAPER, SIZE, binned, plots
from pipeline.cards.statistics import Statistics, Tally, statistics
from pipeline.release import Release
from pipeline.sheet import contact_sheet, to_png

NES = load_palette("nes")


@pytest.fixture(scope="module")
def found(release: Release) -> Statistics:
    with Credits() as credits_:
        return statistics(release, credits_)


@pytest.fixture(scope="module")
def drawn(found: Statistics) -> dict[str, bytes]:
    return plots(found, NES, 25)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def test_every_plot_is_a_small_png_without_a_date_or_a_tool(drawn: dict[str, bytes]) -> None:
    assert sorted(drawn) == ["caption-lengths.png", "palette-use.png", "record-lengths.png", "sprite-sizes.png"]
    for png in drawn.values():
        image = Image.open(io.BytesIO(png))
        assert image.format == "PNG"
        assert image.size == tuple(round(side * DPI) for side in SIZE)
        assert image.info.keys() <= {"transparency"}
        assert len(png) < 100_000
        assert f"#{pixels(png)[0, 0].tobytes().hex()}" == PAPER


def test_the_readers_own_settings_change_nothing_and_stay(found: Statistics, drawn: dict[str, bytes]) -> None:
    with mpl.rc_context({"font.size": 30.0, "axes.facecolor": "black", "font.family": "monospace"}):
        assert plots(found, NES, 25) == drawn
        assert mpl.rcParams["axes.facecolor"] == "black"


def test_the_bars_of_the_palette_have_the_palettes_colours(found: Statistics, drawn: dict[str, bytes]) -> None:
    shown = {tuple(colour) for colour in np.unique(pixels(drawn["palette-use.png"]).reshape(-1, 3), axis=0).tolist()}
    used = {tuple(NES.rgb[i].tolist()) for i in np.flatnonzero(found.palette_use)}
    assert len(used) > 20
    assert used <= shown


def test_a_palette_of_one_used_colour_and_a_corpus_of_one_record_can_be_drawn(found: Statistics) -> None:
    ids = np.zeros_like(found.ids)
    ids[60] = 1
    sizes = np.zeros_like(found.sizes)
    sizes[1, 1] = 1
    one = Tally().plus(np.array([7]))
    alone = replace(found, ids=ids, sizes=sizes, captions=one, lengths=one)
    assert len(plots(alone, NES, 1)) == 4


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=80))
def test_bars_hold_every_number_once(numbers: list[int]) -> None:
    starts, counts, width = binned(Tally().plus(np.array(numbers)))
    assert counts.sum() == len(numbers)
    assert len(starts) <= BINS
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        assert count == sum(start <= number < start + width for number in numbers)


@given(st.integers(1, 400), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_a_png_is_exact_with_few_colours_and_with_many(colours: int, scale: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    palette = rng.integers(0, 256, (colours, 3), dtype=np.uint8)
    picture = palette[rng.integers(0, colours, (24, 23))]
    np.testing.assert_array_equal(pixels(to_png(picture, scale))[::scale, ::scale], picture)


def test_a_sheet_has_the_paper_it_is_asked_for() -> None:
    sprites = [np.full((2, 3), 5, dtype=np.uint8)] * 2
    sheet = pixels(contact_sheet(sprites, NES.rgb, columns=2, scale=2, paper=(1, 2, 3)))
    assert sheet[0, 0].tolist() == [1, 2, 3]
    assert sheet[2, 2].tolist() == NES.rgb[5].tolist()
