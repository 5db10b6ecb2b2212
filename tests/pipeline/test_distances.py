from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from skimage.color import deltaE_ciede2000, rgb2lab

from palettes.palette import Palette, load_palette
from pipeline.ciede2000 import delta_e, nearest_ciede2000
from pipeline.cielab import lab_of, rgb_of
from pipeline.quantize import COLOURS, nearest_exact, nearest_table, quantize

NES, GAME_BOY = load_palette("nes"), load_palette("game-boy")
# pairs of Sharma, Wu and Dalal's published test data that try the formula's corners, and their distances
PUBLISHED = [
    ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
    ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0),
    ((50.0, 0.0, 0.0), (50.0, -1.0, 2.0), 2.3669),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0009), 7.1792),
    ((50.0, 2.49, -0.001), (50.0, -2.49, 0.0011), 7.2195),
    ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
    ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
    ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("first", "second", "expected"), PUBLISHED)
def test_ciede2000_gives_the_published_distances(
    first: tuple[float, ...], second: tuple[float, ...], expected: float
) -> None:
    assert delta_e(np.array([first]), np.array([second])).tolist() == pytest.approx([expected], abs=5e-5)


@given(hnp.arrays(np.uint8, (30, 3)), hnp.arrays(np.uint8, (30, 3)))
def test_ciede2000_is_scikit_images(first: np.ndarray, second: np.ndarray) -> None:
    a, b = lab_of(first), lab_of(second)
    expected = deltaE_ciede2000(a, b)
    assert np.allclose(delta_e(a, b), expected, rtol=0, atol=1e-5)
    assert np.allclose(delta_e(a.astype(np.float32), b.astype(np.float32)), expected, rtol=0, atol=0.05)


def wrong(palette: Palette, colours: np.ndarray) -> int:
    """Count the colours (numbers) whose entry in the CIEDE2000 table is not the definition's."""
    table = nearest_table(palette.digest, palette.rgb.tobytes(), "ciede2000")
    lab = rgb2lab(palette.rgb[None] / 255)
    parts = np.array_split(colours, max(1, len(colours) * len(palette) // (1 << 18)))
    return sum(int((deltaE_ciede2000(lab_of(rgb_of(p))[:, None], lab).argmin(axis=1) != table[p]).sum()) for p in parts)


@pytest.mark.slow
def test_the_ciede2000_table_is_exact_for_all_colours_of_a_small_palette() -> None:
    assert sum(wrong(GAME_BOY, part) for part in np.array_split(np.arange(COLOURS), 64)) == 0


@pytest.mark.slow
def test_the_ciede2000_table_of_the_nes_is_exact_on_a_million_colours() -> None:
    """Half of them drawn evenly, half beside a change of the nearest colour, where a mistake would be."""
    table = nearest_table(NES.digest, NES.rgb.tobytes(), "ciede2000")
    rng = np.random.default_rng(2000)
    edges = np.flatnonzero(table[1:] != table[:-1])
    assert wrong(NES, rng.integers(0, COLOURS, 500_000)) == 0
    assert wrong(NES, rng.choice(edges, 500_000)) == 0


@pytest.mark.slow
def test_both_distances_keep_the_palettes_own_colours_and_differ_elsewhere() -> None:
    assert quantize(NES.rgb[None], NES, "ciede2000")[0].tolist() == list(range(55))
    rgb = np.random.default_rng(3).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert (quantize(rgb, NES) != quantize(rgb, NES, "ciede2000")).mean() > 0.05


def test_each_distance_has_a_table_and_a_file_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8)
    monkeypatch.setenv("PIXELBYTES_CACHE", str(tmp_path))
    for distance, value in (("cie76", 0), ("ciede2000", 1)):
        built = np.full(COLOURS, value, dtype=np.uint8)
        monkeypatch.setattr("pipeline.quantize.build_table", lambda _rgb, _distance, built=built: built)
        nearest_table.cache_clear()
        assert nearest_table("d", two.tobytes(), distance)[7] == value
    nearest_table.cache_clear()
    monkeypatch.setattr("pipeline.quantize.build_table", lambda _rgb, _distance: pytest.fail("it was kept"))
    assert nearest_table("d", two.tobytes(), "ciede2000")[7] == 1
    assert nearest_table("d", two.tobytes(), "cie76")[7] == 0
    assert len(list(tmp_path.iterdir())) == 2
    nearest_table.cache_clear()


@given(hnp.arrays(np.uint8, (20, 3)))
def test_the_definitions_choose_the_lowest_index_among_equals(rgb: np.ndarray) -> None:
    lab = lab_of(np.array([[9, 9, 9], [200, 9, 9], [9, 9, 9]], dtype=np.uint8))
    assert int(nearest_exact(rgb, lab).max()) < 2
    assert int(nearest_ciede2000(rgb, lab).max()) < 2
