import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from palettes.palette import Palette, load_palette
from pipeline.quantize import nearest_table, quantize
from pipeline.recipe import Dither

NES = load_palette("nes")
TWO = Palette(name="two", rgb=np.array([[0, 0, 0], [255, 255, 255]], dtype=np.uint8))
WAYS: tuple[Dither, ...] = ("floyd-steinberg", "bayer")


def by_the_book(rgb: np.ndarray, palette: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Floyd–Steinberg with one array of errors, in sixteenths, each rounded half up when it is used."""
    h, w = rgb.shape[:2]
    errors = np.zeros((h + 1, w + 2, 3), dtype=np.int64)
    out = np.zeros((h, w), dtype=np.uint8)
    for y in range(h):
        for x in range(w):
            wanted = np.clip(rgb[y, x] + np.floor_divide(errors[y, x + 1] + 8, 16), 0, 255)
            out[y, x] = nearest[wanted[0] + 256 * wanted[1] + 65536 * wanted[2]]
            error = wanted - palette[out[y, x]]
            for dy, dx, share in ((0, 1, 7), (1, -1, 3), (1, 0, 5), (1, 1, 1)):
                errors[y + dy, x + 1 + dx] += share * error
    return out


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 7), st.just(3))))
def test_floyd_steinberg_hands_on_errors_as_the_book_says(rgb: np.ndarray) -> None:
    table = nearest_table(NES.digest, NES.rgb.tobytes())
    expected = by_the_book(rgb.astype(np.int64), NES.rgb.astype(np.int64), table)
    assert np.array_equal(quantize(rgb, NES, dither="floyd-steinberg"), expected)


@pytest.mark.parametrize("way", WAYS)
def test_a_grey_that_two_colours_lack_is_mixed_in_its_share(way: Dither) -> None:
    for grey in (64, 128, 200):
        indices = quantize(np.full((48, 48, 3), grey, dtype=np.uint8), TWO, dither=way)
        assert abs(float(indices.mean()) - grey / 255) < 0.1  # CIELAB's middle grey is 119, not 127


def test_the_palettes_own_colours_leave_no_error_to_hand_on() -> None:
    for index in range(len(NES)):
        rgb = np.broadcast_to(NES.rgb[index], (5, 6, 3)).copy()
        assert (quantize(rgb, NES, dither="floyd-steinberg") == index).all()


@pytest.mark.parametrize("way", WAYS)
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_dithering_is_the_same_every_time_and_keeps_the_shape(way: Dither, rgb: np.ndarray) -> None:
    first = quantize(rgb, NES, dither=way)
    assert first.shape == rgb.shape[:2]
    assert int(first.max()) < len(NES)
    assert np.array_equal(first, quantize(rgb.copy(), NES, dither=way))


@pytest.mark.parametrize("way", WAYS)
def test_a_dithered_ramp_is_nearer_to_its_colours_on_average_than_an_undithered_one(way: Dither) -> None:
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)

    def error(dither: Dither) -> float:
        shown = NES.rgb[quantize(ramp, NES, dither=dither)].astype(float)
        blocks = (shown - ramp).reshape(8, 8, 8, 8, 3).mean(axis=(1, 3))
        return float(np.abs(blocks).mean())

    assert error(way) < 0.6 * error("none")
