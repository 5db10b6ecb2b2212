import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from palettes.palette import load_palette
from pipeline.adaptive import reduce_to
from pipeline.decode import PictureError, Pixels, decode
from pipeline.pixelize import BACKGROUND, STEPS, crop, enlargement, flatten, pixelize, unscale
from pipeline.quantize import quantize
from pipeline.recipe import PictureRecipe
from pipeline.sprites import sprite_of

PLAIN = PictureRecipe()
RNG = np.random.default_rng(4)


def packed(rgba: np.ndarray) -> Pixels:
    return Pixels(np.ascontiguousarray(rgba, dtype=np.uint8).view("<u4")[..., 0])


def opaque(rgb: np.ndarray) -> np.ndarray:
    return np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255)], axis=2).astype(np.uint8)


def file_of(image: Image.Image, **options: object) -> bytes:
    body = io.BytesIO()
    image.save(body, format="PNG", **options)  # type: ignore[arg-type]
    return body.getvalue()


def noise(height: int, width: int) -> np.ndarray:
    return opaque(RNG.integers(0, 256, (height, width, 3)))


def enlarged(rgba: np.ndarray, factor: int) -> np.ndarray:
    return rgba.repeat(factor, axis=0).repeat(factor, axis=1)


def plainly(body: bytes, max_side: int, background: tuple[int, int, int]) -> np.ndarray:
    """The definition of the default steps but unscale, by Pillow's own functions on RGBA, one after the other."""
    image = Image.open(io.BytesIO(body)).convert("RGBA")
    box = image.getbbox()
    assert box is not None
    if np.asarray(image)[..., 3].min() == 255:
        pixels = np.asarray(image)
        other = (pixels != pixels[0, 0]).any(axis=2)
        border = [other[0], other[-1], other[:, 0], other[:, -1]]
        if other.any() and not any(side.any() for side in border):
            rows, columns = other.any(axis=1).nonzero()[0], other.any(axis=0).nonzero()[0]
            box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    w, h = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, max_side / max(w, h))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = image.resize(size, Image.Resampling.NEAREST, box=box)
    flat = Image.new("RGB", size, background)
    flat.paste(small, mask=small)
    return np.asarray(flat)


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Pictures of all kinds, with few colours, so that borders, blocks and equal palette entries happen."""
    shape = draw(st.tuples(st.integers(1, 70), st.integers(1, 70)))
    seed, few = draw(st.integers(0, 1 << 16)), draw(st.integers(1, 5))
    rng = np.random.default_rng(seed)
    cells = rng.integers(0, few, shape).astype(np.uint8)
    if draw(st.booleans()):
        cells[[0, -1]] = cells[:, [0, -1]] = 0
    factor = draw(st.sampled_from([1, 1, 2, 3, 5]))
    cells = cells.repeat(factor, axis=0).repeat(factor, axis=1)
    alphas = draw(st.sampled_from([[255], [0, 255], [0, 128, 255, 37], [0, 0, 255]]))
    entries = rng.integers(0, 256, (256, 4)).astype(np.uint8)
    entries[:, 3] = np.resize(alphas, 256)
    if draw(st.booleans()):
        entries[few // 2] = entries[few - 1]
    mode = draw(st.sampled_from(["P", "RGBA", "RGB", "L"]))
    if mode == "P":
        image = Image.fromarray(cells).convert("P")
        image.putpalette(entries[:, :3].tobytes())
        return file_of(image, **({} if alphas == [255] else {"transparency": entries[:, 3].tobytes()}))
    return file_of(Image.fromarray(entries[cells]).convert(mode))


def shows_something(body: bytes) -> bool:
    return bool((decode(body).rgba()[..., 3] > 0).any())


@given(files(), st.sampled_from([25, 16, 7, 40]), st.sampled_from([BACKGROUND, (0, 200, 17)]))
def test_the_steps_are_what_pillow_gives_by_its_own_functions(
    body: bytes, side: int, background: tuple[int, int, int]
) -> None:
    if shows_something(body):
        recipe = PictureRecipe(unscale=False, max_side=side, background=background)
        assert np.array_equal(pixelize(body, recipe), plainly(body, side, background))


@given(files(), st.sampled_from([{}, {"resample": "area"}, {"outline": True}, {"colours": 3}, {"crop": "none"}]))
def test_indices_end_as_the_colours_they_stand_for_would(body: bytes, choice: dict[str, str]) -> None:
    if not shows_something(body):
        return
    recipe = PictureRecipe(**choice)  # type: ignore[arg-type]
    pixels = decode(body, indices=False)
    assert pixels.colours is None
    for _, step in STEPS:
        pixels = step(pixels, recipe)
    assert np.array_equal(pixelize(body, recipe), flatten(pixels, recipe))


def test_the_steps_have_names_in_their_order() -> None:
    assert [name for name, _ in STEPS] == ["crop", "unscale", "shrink", "reduce"]


def test_an_opaque_picture_is_cropped_to_what_its_border_surrounds() -> None:
    rgba = opaque(np.full((20, 30, 3), 9))
    rgba[3:7, 5:17, :3] = 200
    assert crop(packed(rgba), PLAIN).cells.shape == (4, 12)
    assert crop(packed(rgba), PictureRecipe(crop="none")).cells.shape == (20, 30)


def test_a_border_of_two_colours_is_no_background() -> None:
    rgba = opaque(np.full((20, 30, 3), 9))
    rgba[3:7, 5:17, :3] = 200
    rgba[0, 29, 0] = 10
    assert crop(packed(rgba), PLAIN).cells.shape == (20, 30)


def test_a_picture_of_one_colour_stays_whole() -> None:
    assert pixelize(file_of(Image.new("RGB", (40, 20), (1, 2, 3)))).shape == (12, 25, 3)
    assert pixelize(file_of(Image.new("RGB", (1, 1), (1, 2, 3)))).tolist() == [[[1, 2, 3]]]


def test_where_anything_is_transparent_the_background_colour_stays() -> None:
    rgba = opaque(np.full((20, 30, 3), 9))
    rgba[5:9, 5:9, :3] = 200
    rgba[6, 6, 3] = 254
    assert crop(packed(rgba), PLAIN).cells.shape == (20, 30)


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 3)),
    st.sets(st.integers(0, 3), max_size=3),
)
def test_indices_are_cropped_like_their_colours_whichever_are_transparent(cells: np.ndarray, hidden: set[int]) -> None:
    colours = np.arange(256, dtype="<u4") + 0xFF000000
    colours[list(hidden)] = 0
    kinds = Pixels(cells, colours), Pixels(colours.take(cells))
    if set(cells.ravel().tolist()) <= hidden:
        for pixels in kinds:
            with pytest.raises(PictureError, match="transparent everywhere"):
                crop(pixels, PLAIN)
        return
    one, other = (crop(pixels, PLAIN) for pixels in kinds)
    assert np.array_equal(one.packed(), other.packed())
    assert one.corner == other.corner


@pytest.mark.parametrize("choice", ["drawn", "none"])
def test_a_picture_that_shows_nothing_is_refused(choice: str) -> None:
    with pytest.raises(PictureError, match="9×4 px is transparent everywhere"):
        pixelize(file_of(Image.new("RGBA", (9, 4), (1, 2, 3, 0))), PictureRecipe(crop=choice))  # type: ignore[arg-type]


@given(st.integers(8, 24), st.integers(1, 24), st.integers(2, 6))
def test_an_exact_enlargement_is_undone_exactly(height: int, width: int, factor: int) -> None:
    small = noise(height, width)
    pixels = packed(enlarged(small, factor))
    assert enlargement(pixels) == factor
    assert np.array_equal(unscale(pixels, PLAIN).rgba(), small)


def test_a_sprite_of_64_px_blown_up_to_256_gives_the_same_tokens() -> None:
    sprite = noise(64, 64)
    sprite[RNG.random((64, 64)) < 0.3, 3] = 0
    sprite[:, :5, 3] = sprite[-9:, :, 3] = 0
    small, large = (file_of(Image.fromarray(picture)) for picture in (sprite, enlarged(sprite, 4)))
    plain = PictureRecipe(unscale=False)
    assert np.array_equal(pixelize(large), pixelize(small, plain))


@pytest.mark.parametrize("corner", [(0, 0), (3, 5), (1, 2)])
def test_the_margin_of_an_enlargement_need_not_be_a_multiple_of_its_factor(corner: tuple[int, int]) -> None:
    sprite = noise(16, 12)
    canvas = np.zeros((90, 77, 4), dtype=np.uint8)
    canvas[corner[0] : corner[0] + 64, corner[1] : corner[1] + 48] = enlarged(sprite, 4)
    assert np.array_equal(pixelize(file_of(Image.fromarray(canvas))), sprite[..., :3])


def test_hidden_colours_under_transparency_do_not_hide_an_enlargement() -> None:
    sprite = noise(10, 10)
    sprite[3:5, 2:7, 3] = 0
    large = enlarged(sprite, 3)
    clear = large[..., 3] == 0
    large[clear, :3] = RNG.integers(0, 256, (int(clear.sum()), 3))
    assert enlargement(packed(large)) == 3


@pytest.mark.parametrize("place", [(0, 0), (17, 31), (39, 39)])
def test_one_pixel_out_of_its_block_forbids_undoing(place: tuple[int, int]) -> None:
    large = enlarged(noise(10, 10), 4)
    large[place][0] ^= 1
    assert enlargement(packed(large)) == 1


def test_a_picture_cut_inside_a_block_is_left_as_it_is() -> None:
    large = enlarged(noise(12, 12), 4)
    assert enlargement(packed(large[1:, :])) == 1
    assert enlargement(packed(large[:, :-2])) <= 2


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24), elements=st.integers(0, 1)))
def test_undoing_never_loses_a_pixel_and_never_leaves_less_than_a_tile(cells: np.ndarray) -> None:
    pixels = Pixels(cells, np.arange(256, dtype="<u4") + 0xFF000000)
    factor = enlargement(pixels)
    small = unscale(pixels, PLAIN)
    assert np.array_equal(enlarged(small.cells, factor), cells)
    assert factor == 1 or max(small.cells.shape) >= 8


def test_large_plain_shapes_are_no_enlargement() -> None:
    halves = opaque(np.zeros((64, 64, 3)))
    halves[:, 32:, :3] = 255
    assert enlargement(packed(halves)) == 1


def test_unscale_can_be_left_out() -> None:
    large = packed(enlarged(noise(10, 10), 2))
    assert unscale(large, PictureRecipe(unscale=False)) is large


def test_area_averages_and_transparency_lends_no_colour() -> None:
    rgba = opaque(np.zeros((50, 50, 3)))
    rgba[::2, :, :3] = 200
    recipe = PictureRecipe(resample="area", crop="none", unscale=False)
    assert (pixelize(file_of(Image.fromarray(rgba)), recipe) == 100).all()
    rgba[1::2, :] = [0, 255, 0, 0]
    mixed = pixelize(file_of(Image.fromarray(rgba)), recipe)
    assert abs(mixed.astype(int) - (200 + 252) // 2).max() <= 1


def line_drawing() -> bytes:
    """A red disc of 75 px with an outline of 1 px, which nearest hits in every third row and column."""
    y, x = np.mgrid[:75, :75] - 37
    far = np.hypot(y, x)
    rgba = opaque(np.full((75, 75, 3), [220, 120, 120]))
    rgba[far > 36] = [10, 10, 10, 255]
    rgba[far > 37] = 0
    return file_of(Image.fromarray(rgba))


def test_outline_keeps_a_line_that_nearest_breaks() -> None:
    def dark(recipe: PictureRecipe) -> int:
        return int((pixelize(line_drawing(), recipe).max(axis=2) < 40).sum())

    around = math.pi * 24
    assert dark(PLAIN) < 0.6 * around
    assert 0.8 * around < dark(PictureRecipe(outline=True)) < 1.4 * around


def test_outline_leaves_a_picture_without_lines() -> None:
    body = file_of(Image.fromarray(opaque(np.full((60, 60, 3), 200)) - np.tri(60, dtype=np.uint8)[..., None] * 99))
    assert np.array_equal(pixelize(body, PictureRecipe(outline=True)), pixelize(body))


@given(hnp.arrays(np.uint8, (40, 3)), st.integers(2, 12), st.integers(0, 99))
def test_k_means_leaves_few_colours_and_does_not_depend_on_the_order(rgb: np.ndarray, count: int, seed: int) -> None:
    reduced = reduce_to(rgb, count, seed)
    assert len(np.unique(reduced, axis=0)) <= count
    assert np.array_equal(reduced, reduce_to(rgb, count, seed))
    order = np.random.default_rng(seed).permutation(len(rgb))
    assert np.array_equal(reduce_to(rgb[order], count, seed), reduced[order])


def test_k_means_finds_clusters_that_are_plain_to_see() -> None:
    centres = np.array([[20, 20, 20], [200, 30, 40], [40, 220, 90]])
    rgb = (centres.repeat(50, axis=0) + RNG.integers(-6, 7, (150, 3))).astype(np.uint8)
    found = np.unique(reduce_to(rgb, 3, seed=1), axis=0).astype(int)
    assert np.abs(found - centres[np.lexsort(centres.T[::-1])]).max() <= 3


def test_reduced_sprites_keep_the_background_as_it_is() -> None:
    rgba = noise(30, 30)
    rgba[:9, :, 3] = 0
    rgba[0, 0, 3] = 255
    rgb = pixelize(file_of(Image.fromarray(rgba)), PictureRecipe(colours=4, background=(7, 8, 9)))
    assert tuple(rgb[0, -1]) == (7, 8, 9)
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) <= 5


def test_a_sprite_is_pixelize_and_quantize_by_the_recipe() -> None:
    body = file_of(Image.fromarray(noise(30, 30)))
    nes = load_palette("nes")
    assert np.array_equal(sprite_of(body, nes), quantize(pixelize(body), nes))
    recipe = PictureRecipe(dither="bayer", resample="area")
    expected = quantize(pixelize(body, recipe), nes, dither="bayer")
    assert np.array_equal(sprite_of(body, nes, recipe), expected)
    assert not np.array_equal(expected, quantize(pixelize(body, recipe), nes))
