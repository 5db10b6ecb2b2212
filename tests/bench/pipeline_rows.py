"""The rows about pixels and windows. References are written here: the usual ways of doing the same work."""

import io
import time
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from skimage.color import rgb2lab

from palettes.palette import load_palette
from palettes.vocabulary import Vocabulary
from pipeline.pixelize import pixelize
from pipeline.quantize import build_table, nearest_table, quantize
from pipeline.sample.bestiary import load_bestiary
from pipeline.sample.wiki import sample_folder
from pipeline.sprites import sprite_of
from pipeline.text import normalize_text
from pipeline.tokenizer import encode_record, grids
from pipeline.windows import record_windows
from tests.bench.rows import Row, in_turn

NES = load_palette("nes")


def rows() -> Iterator[Row]:
    """Yield the rows one after the other."""
    yield from quantize_rows()
    yield pixelize_row()
    yield from windows_rows()


def quantize_rows() -> Iterator[Row]:
    """Nearest NES colour: against Pillow's own quantizer, vectorised scikit-image, and a loop per pixel."""
    art = _sheet()
    pixels = art.shape[0] * art.shape[1]
    quantize(art, NES)
    holder = Image.new("P", (1, 1))
    holder.putpalette(NES.rgb.tobytes())
    image = Image.fromarray(art)

    def pillow() -> object:
        return image.quantize(palette=holder, dither=Image.Dither.NONE)

    usual, ours = in_turn(pillow, lambda: quantize(art, NES), pixels / 1e6, runs=15)
    yield Row(
        name="quantize, sprites", unit="Mpx/s", reference="Pillow (RGB, inexact)", usual=usual, ours=ours, target=0.7
    )
    lab = rgb2lab(NES.rgb[None] / 255)[0]
    small = art[:128, :128]

    def vectorised() -> object:
        return ((rgb2lab(small / 255)[:, :, None] - lab) ** 2).sum(axis=3).argmin(axis=2)

    usual, ours = in_turn(vectorised, lambda: quantize(small, NES), small.size / 3e6)
    yield Row(
        name="quantize, exact", unit="Mpx/s", reference="scikit-image + argmin", usual=usual, ours=ours, target=100
    )
    start = time.perf_counter()
    table = build_table(NES.rgb)
    seconds = time.perf_counter() - start
    same = bool(np.array_equal(table, nearest_table(NES.digest, NES.rgb.tobytes())))
    yield Row(
        name="quantize, table built",
        unit="tables/5 s",
        reference="one in 5 s",
        usual=1,
        ours=5 / seconds,
        target=1,
        note=f"{seconds:.1f} s, same as the kept one: {same}",
    )


def _sheet() -> np.ndarray:
    """Return real sprites of the sample side by side, as one picture of about a megapixel."""
    sprites = [Image.open(io.BytesIO(body)).convert("RGB").resize((64, 64)) for body in _pictures()[:256]]
    while len(sprites) < 256:
        sprites += sprites[: 256 - len(sprites)]
    stacked = np.stack([np.asarray(sprite) for sprite in sprites]).reshape(16, 16, 64, 64, 3)
    return np.ascontiguousarray(stacked.transpose(0, 2, 1, 3, 4).reshape(1024, 1024, 3))


def _pictures() -> list[bytes]:
    folder = sample_folder()
    return [(folder / "images" / record.image).read_bytes() for record in load_bestiary(folder)]


def pixelize_row() -> Row:
    """A sprite from its file: against decoding the same files and nothing else."""
    bodies = _pictures()

    def decode() -> None:
        for body in bodies:
            Image.open(io.BytesIO(body)).convert("RGBA")

    def whole() -> None:
        for body in bodies:
            sprite_of(body, NES)

    usual, ours = in_turn(decode, whole, len(bodies))
    return Row(
        name="pixelize and quantize", unit="sprites/s", reference="decoding alone", usual=usual, ours=ours, target=0.65
    )


def windows_rows() -> Iterator[Row]:
    """k×k windows: against a masked copy of the plain sliding window, and the loop per token."""
    records = [grids(ids) for ids in _sample_ids(200)]
    tokens = sum(grid.size for record in records for grid in record)
    for k in (3, 5):

        def plain(k: int = k) -> None:
            for record in records:
                np.concatenate([sliding_window_view(np.pad(grid, k // 2), (k, k)).reshape(-1, k, k) for grid in record])

        def ours(k: int = k) -> None:
            for record in records:
                record_windows(record, k)

        usual, rate = in_turn(plain, ours, tokens / 1e6)
        yield Row(
            name=f"windows, k={k}",
            unit="Mtoken/s",
            reference="sliding-window copy (not causal)",
            usual=usual,
            ours=rate,
            target=2.5,
        )


def _sample_ids(count: int) -> list[np.ndarray]:
    vocabulary, folder = Vocabulary(), sample_folder()
    found = []
    for record in load_bestiary(folder)[:count]:
        sprite = quantize(pixelize((folder / "images" / record.image).read_bytes()), NES)
        found.append(encode_record(sprite, normalize_text(record.text).text, vocabulary))
    return found
