"""Many pictures drawn together: each gets the sprite, or the fault, that it has alone."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from palettes.palette import load_palette
from pipeline.crawl.raw import RawStore
from pipeline.decode import MAX_PIXELS, PictureError
from pipeline.likeness import fingerprint
from pipeline.plain_png import PNG, PlainPng, read_plain
from pipeline.recipe import PictureRecipe
from pipeline.sketching import sketch
from pipeline.sprites import FEW, sprite_of, sprites_of
from pipeline.together import is_joint, sprites_together

NES = load_palette("nes")
RECIPES = [
    PictureRecipe(),
    PictureRecipe(max_side=7, background=(0, 200, 17)),
    PictureRecipe(unscale=False, max_side=16),
    PictureRecipe(max_side=99),
]
OTHERS = [
    PictureRecipe(crop="none"),
    PictureRecipe(resample="area"),
    PictureRecipe(outline=True),
    PictureRecipe(colours=3),
    PictureRecipe(dither="bayer"),
]
BAD = [b"", b"GIF89a", b"\x89PNG\r\n\x1a\nno picture at all"]


def file_of(cells: np.ndarray, entries: np.ndarray, count: int, bits: int = 8) -> bytes:
    image = Image.fromarray(cells).convert("P")
    image.putpalette(entries[:count, :3].tobytes())
    body = io.BytesIO()
    image.save(body, format="PNG", bits=bits, transparency=entries[:, 3].tobytes())
    return body.getvalue()


def bare_png(cells: np.ndarray, entries: bytes, alphas: bytes) -> bytes:
    """A picture of indices whose palette and alphas are of any length: no library writes such."""
    h, w = cells.shape
    head = struct.pack(">IIBBBBB", w, h, 8, 3, 0, 0, 0)
    lines = np.pad(cells, ((0, 0), (1, 0))).tobytes()
    chunks = ((b"IHDR", head), (b"PLTE", entries), (b"tRNS", alphas), (b"IDAT", zlib.compress(lines)), (b"IEND", b""))
    told = [len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4) for name, body in chunks]
    return PNG + b"".join(told)


@st.composite
def behind(draw: st.DrawFn) -> bytes:
    """Pictures with more alphas than colours, of which some hide what no pixel shows."""
    few = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    cells = rng.integers(0, few, (draw(st.integers(2, 9)), draw(st.integers(2, 9)))).astype(np.uint8)
    alphas = [*[255] * draw(st.integers(0, few)), *draw(st.lists(st.sampled_from([0, 255]), max_size=4)), 0]
    return bare_png(cells, rng.integers(0, 256, 3 * few).astype(np.uint8).tobytes(), bytes(alphas))


@st.composite
def indexed(draw: st.DrawFn) -> bytes:
    """Pictures of indices, with margins, blocks, equal colours, hidden ones anywhere and indices without a colour."""
    h, w = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    few = draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 16)))
    cells = rng.integers(0, few, (h, w)).astype(np.uint8)
    cells = np.pad(cells, draw(st.tuples(*[st.tuples(*[st.integers(0, 5)] * 2)] * 2)))
    factor = draw(st.sampled_from([1, 1, 2, 3, 5]))
    cells = cells.repeat(factor, axis=0).repeat(factor, axis=1)
    if draw(st.booleans()):
        cells[tuple(rng.integers(cells.shape))] = few
    entries = rng.integers(0, 256, (256, 4)).astype(np.uint8)
    entries[:, 3] = np.resize(
        draw(st.sampled_from([[0, *[255] * 255], [0, 128, 255, 37], [0, 0, 255], [255, 0], [255]])), 256
    )
    if draw(st.booleans()):
        entries[few // 2] = entries[few - 1]
    count = draw(st.sampled_from([few + 1, 256]))
    return file_of(cells, entries, count, bits=draw(st.sampled_from([8, 4])) if count <= 16 else 8)


def whole(rng: np.random.Generator) -> bytes:
    """A picture as RGBA, which is not drawn together."""
    image = Image.fromarray(rng.integers(0, 256, (9, 12, 4)).astype(np.uint8))
    body = io.BytesIO()
    image.save(body, format="PNG")
    return body.getvalue()


BODIES = st.one_of(indexed(), indexed(), behind(), st.sampled_from([*BAD, whole(np.random.default_rng(1))]))


def alone(body: bytes, recipe: PictureRecipe) -> np.ndarray | str:
    try:
        return sprite_of(body, NES, recipe)
    except PictureError as error:
        return str(error)


@pytest.mark.parametrize("colours", [2, 255])
@pytest.mark.parametrize("place", [0, FEW])
def test_a_picture_that_hides_only_what_it_does_not_show_is_drawn_as_alone(colours: int, place: int) -> None:
    cells = np.arange(32 * 32).reshape(32, 32) // 3 % colours
    entries = b"".join(bytes((one, 255 - one, 7)) for one in range(colours))
    odd = bare_png(cells.astype(np.uint8), entries, b"\xff" * colours + b"\0")
    bodies = [bare_png(np.eye(20, dtype=np.uint8), b"\xff\0\0\0\0\xff", b"\0")] * FEW
    bodies.insert(place, odd)
    for body, sprite in zip(bodies, sprites_of(bodies, NES), strict=True):
        assert np.array_equal(np.asarray(sprite), alone(body, PictureRecipe()))


@given(st.lists(BODIES, max_size=4 * FEW), st.sampled_from([*RECIPES, *OTHERS]))
def test_a_portion_gives_each_picture_the_sprite_or_the_fault_that_it_has_alone(
    bodies: list[bytes], recipe: PictureRecipe
) -> None:
    found = sprites_of(iter(bodies), NES, recipe)
    assert len(found) == len(bodies)
    for body, one in zip(bodies, found, strict=True):
        expected = alone(body, recipe)
        if isinstance(one, PictureError):
            assert str(one) == expected
        else:
            assert isinstance(expected, np.ndarray)
            assert one.dtype == np.uint8
            assert np.array_equal(one, expected)


def plain(body: bytes) -> PlainPng:
    found = read_plain(body, MAX_PIXELS)
    assert found is not None
    return found


def drawn_in_a_margin(seed: int, side: int, *, hidden: int = 0) -> bytes:
    """A picture of some indices inside a margin of the one that is transparent."""
    rng = np.random.default_rng(seed)
    cells = np.pad(rng.choice([1, 2, 4, 5], (side, side)).astype(np.uint8), 2, constant_values=hidden)
    entries = rng.integers(0, 256, (256, 4)).astype(np.uint8)
    entries[:, 3] = 255
    entries[hidden, 3] = 0
    return file_of(cells, entries, 8)


@given(
    st.lists(st.tuples(st.integers(2, 60), st.sampled_from([0, 3, 7])), min_size=1, max_size=9),
    st.sampled_from(RECIPES),
)
def test_what_has_a_transparent_margin_is_drawn_together(kinds: list[tuple[int, int]], recipe: PictureRecipe) -> None:
    bodies = [drawn_in_a_margin(seed, side, hidden=hidden) for seed, (side, hidden) in enumerate(kinds)]
    assert is_joint(recipe)
    for body, sprite in zip(bodies, sprites_together([plain(body) for body in bodies], NES, recipe), strict=True):
        assert sprite is not None
        assert np.array_equal(sprite, sprite_of(body, NES, recipe))


def test_what_shows_nothing_or_has_a_background_is_left_to_be_drawn_alone() -> None:
    entries = np.full((256, 4), 255, dtype=np.uint8)
    entries[:, 0], entries[0, 3] = np.arange(256), 0
    cells = np.ones((9, 9), dtype=np.uint8)
    cells[4, 4] = 2
    bodies = [
        file_of(np.zeros((9, 9), dtype=np.uint8), entries, 3),
        file_of(cells, entries, 3),
        drawn_in_a_margin(1, 9),
    ]
    sprites = sprites_together([plain(body) for body in bodies], NES, PictureRecipe())
    assert [sprite is None for sprite in sprites] == [True, True, False]
    assert sprite_of(bodies[1], NES).shape == (1, 1)


@pytest.mark.parametrize("recipe", OTHERS)
def test_steps_that_look_at_colours_are_done_one_by_one(recipe: PictureRecipe) -> None:
    assert not is_joint(recipe)


def test_a_portion_of_all_sizes_is_drawn_like_each_picture() -> None:
    rng = np.random.default_rng(6)
    entries = rng.integers(0, 256, (256, 4)).astype(np.uint8)
    entries[:, 3] = [0, *[255] * 255]
    shapes = [(1, 254), (254, 1), (254, 254), (255, 3), (300, 200), (64, 64), (2, 2), *[(80, 96)] * 9, *[(250, 9)] * 9]
    bodies = [file_of(np.pad(rng.integers(0, 256, (h, w)).astype(np.uint8), 0), entries, 256) for h, w in shapes]
    for body, sprite in zip(bodies, sprites_of(bodies, NES), strict=True):
        assert isinstance(sprite, np.ndarray)
        assert np.array_equal(sprite, sprite_of(body, NES))


def test_each_picture_of_a_portion_has_its_own_sketch_or_its_own_fault(tmp_path: Path) -> None:
    entries = np.full((256, 4), 255, dtype=np.uint8)
    entries[:, 0], entries[0, 3] = np.arange(256), 0
    cells = np.zeros((9, 9), dtype=np.uint8)
    blank = file_of(cells, entries, 3)
    cells[2:5, 3:6] = 1
    bodies = [
        *[drawn_in_a_margin(seed, 12) for seed in range(FEW + 2)],
        b"no picture",
        blank,
        file_of(cells, entries, 3),
        drawn_in_a_margin(1, 12)[:-60],
        whole(np.random.default_rng(1)),
    ]
    store = RawStore(tmp_path)
    names = [store.put(body) for body in bodies]
    sketches = sketch(names, tmp_path, NES, PictureRecipe())
    assert [one.picture for one in sketches] == names
    for body, one in zip(bodies, sketches, strict=True):
        if not one.fault:
            sprite = sprite_of(body, NES)
            assert (one.h, one.w) == sprite.shape
            assert (one.cells, one.print) == (sprite.tobytes(), fingerprint(sprite))
    faults = [one.fault for one in sketches][FEW + 2 :]
    assert faults[0].startswith("the 10 bytes are no PNG")
    assert faults[1] == "the picture of 9×9 px is transparent everywhere."
    assert faults[2] == "the sprite of 3×3 px has one colour alone"
    assert "damaged" in faults[3]
    assert not any([faults[4], *[one.fault for one in sketches[: FEW + 2]]])
