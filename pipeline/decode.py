"""A picture file's bytes to pixels, within bounds: what each odd format means is written down here.

What is drawn is what a viewer shows before anything moves, upright:

* Animated GIF, APNG and WebP: the first frame. An APNG whose default picture is no frame: that default picture.
* 16 bits a channel: the high byte. One transparent grey or colour is compared in what is left.
* Grey of 1, 2 or 4 bits is spread over 0 to 255; a transparent grey goes with it.
* CMYK and YCCK JPEG: always read as Adobe writes them, inverted; colour profiles of all formats are not applied.
* Palettes (P): the alpha of each entry (PNG) or the one transparent index (GIF). An index without an entry is black.
* EXIF orientation is applied, in all formats; a damaged EXIF block counts as none.
* Interlaced PNG and progressive JPEG: as their plain sisters. 1×1 is a picture like others.
* Too many bytes or pixels: PictureError, before anything is decoded. So are files that end early.
"""

import io
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8, UInt32
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from pipeline.plain_png import PNG, PlainPng, read_plain

MAX_PIXELS = 4096 * 4096  # of the raw picture; checked before anything is decoded
MAX_BYTES = 16 * 1024 * 1024  # of the raw file
FORMATS = ("PNG", "GIF", "JPEG", "WEBP")
OPAQUE = 0xFF000000  # packed colours from here on are opaque; see Pixels
DRAWN = 0x01000000  # and from here on not wholly transparent
DAMAGE = (OSError, ValueError, SyntaxError, EOFError, IndexError)  # what damaged files raise in Pillow
_BLACK = b"\0\0\0\xff" * 256  # what Pillow gives indices that have no palette entry
_HIDDEN = b"\0\0\0\0"
_EXIF = ("exif", "Raw profile type exif")


class PictureError(ValueError):
    """A picture that cannot become a sprite; the message says why."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """Pixels as cells: packed colours, or indices into packed colours, which steps move about without looking.

    A packed colour is R + 256·G + 65536·B + 2²⁴·alpha. Few steps need colours: a file of indices stays indices, which
    are a quarter of the bytes, until its sprite is small.
    """

    cells: UInt8[np.ndarray, "h w"] | UInt32[np.ndarray, "h w"]
    colours: UInt32[np.ndarray, "256"] | None = None  # None where cells are colours themselves
    corner: tuple[int, int] = (0, 0)  # (left, top) in the file's picture: Pillow's nearest rounds from there

    def packed(self) -> UInt32[np.ndarray, "h w"]:
        """Return the pixels as packed colours."""
        return self.cells if self.colours is None else self.colours.take(self.cells)

    def rgba(self) -> UInt8[np.ndarray, "h w 4"]:
        """Return the pixels as red, green, blue and alpha (0 is transparent)."""
        packed = np.ascontiguousarray(self.packed())
        return packed.view(np.uint8).reshape(*packed.shape, 4)


def decode(body: bytes, *, indices: bool = True) -> Pixels:
    """Return the picture of a PNG, GIF, JPEG or WebP file; as indices where it has them and `indices` is true.

    Raises PictureError for bytes that are no picture, are damaged or are too large.
    """
    if indices:
        return pixels_of(read(body))
    _check_bytes(body)
    return _by_pillow(body, indices=False)


def read(body: bytes) -> PlainPng | Pixels:
    """Return a picture as it lies in its file, where that is a plain PNG, or as decode does; errors as decode."""
    _check_bytes(body)
    return read_plain(body, MAX_PIXELS) or _by_pillow(body, indices=True)


def pixels_of(picture: PlainPng | Pixels) -> Pixels:
    """Return the pixels of what `read` gives."""
    if isinstance(picture, Pixels):
        return picture
    return Pixels(picture.cells, _palette(picture.entries, picture.alphas) if picture.entries else None)


def _check_bytes(body: bytes) -> None:
    if len(body) > MAX_BYTES:
        raise PictureError(f"the file has {len(body):,} bytes, more than the {MAX_BYTES:,} allowed.")


def _by_pillow(body: bytes, *, indices: bool) -> Pixels:
    if body.startswith(PNG) and b"acTL" not in body and b"eXIf" not in body:
        _check_size(int.from_bytes(body[16:20], "big"), int.from_bytes(body[20:24], "big"))
        return _decoded(body, indices=indices)  # Pillow warns of animations only: the guard costs a tenth of the time
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's doubts: about sizes, where ours are stricter, and about metadata
        return _decoded(body, indices=indices)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(f"the picture is {width}×{height} px, more than the {MAX_PIXELS:,} px allowed.")


def _decoded(body: bytes, *, indices: bool) -> Pixels:
    image = _opened(body)
    _check_size(image.width, image.height)
    try:
        depth = _depth(image)
        image.load()
        upright = _upright(image)
        if indices and upright.mode == "P":
            return _indexed(upright)
        return Pixels(_cells(_in_rgba(upright, depth), "<u4"))
    except DAMAGE as error:
        raise PictureError(f"the picture is damaged: {error}.") from error


def _opened(body: bytes) -> ImageFile.ImageFile:
    try:
        return Image.open(io.BytesIO(body), formats=FORMATS)
    except UnidentifiedImageError as error:
        kinds = ", ".join(FORMATS)
        raise PictureError(f"the {len(body):,} bytes are no {kinds} picture: they begin with {body[:8]!r}.") from error
    except Image.DecompressionBombError as error:
        raise PictureError(f"the picture is far larger than the {MAX_PIXELS:,} px allowed.") from error
    except DAMAGE as error:
        raise PictureError(f"the file begins like a picture but its head is damaged: {error}.") from error


def _depth(image: ImageFile.ImageFile) -> str:
    """Return how the file packs its samples, such as "RGB;16B" or "L;4"; only a PNG's matters."""
    if image.mode not in ("L", "RGB") or "transparency" not in image.info or not image.tile:
        return ""
    return str(image.tile[0].args)


def _upright(image: Image.Image) -> Image.Image:
    if not any(key in image.info for key in _EXIF):
        return image
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - whatever a hostile EXIF block makes its parser raise, the pixels are sound
        return image


def _indexed(image: Image.Image) -> Pixels:
    transparency = image.info.get("transparency", b"")
    alphas = transparency if isinstance(transparency, bytes) else b"\xff" * transparency + b"\0"
    return Pixels(_cells(image, "u1"), _palette(image.im.getpalette("RGB", "RGB"), alphas))


def _palette(entries: bytes, alphas: bytes) -> UInt32[np.ndarray, "256"]:
    """Return packed colours: black where a palette has no entry, opaque where it has no alpha, 0 where that is 0."""
    if len(alphas) > 256:  # noqa: PLR2004 - what a byte counts
        raise ValueError(f"its palette has {len(alphas)} alphas, more than 256")
    count = len(entries) // 3
    packed = bytearray(_BLACK)  # moving bytes costs less than a small array does
    packed[0 : 4 * count : 4], packed[1 : 4 * count : 4], packed[2 : 4 * count : 4] = (
        entries[::3],
        entries[1::3],
        entries[2::3],
    )
    packed[3 : 4 * len(alphas) : 4] = alphas
    hidden = alphas.find(0)
    while hidden >= 0:
        packed[4 * hidden : 4 * hidden + 4] = _HIDDEN
        hidden = alphas.find(0, hidden + 1)
    return np.frombuffer(packed, dtype="<u4")


def _in_rgba(image: Image.Image, depth: str) -> Image.Image:
    """Return a loaded picture of any mode as RGBA."""
    transparency = image.info.get("transparency")
    if image.mode.startswith("I"):  # 16-bit grey
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        shown = np.asarray(image) != (-1 if transparency is None else transparency)
        return Image.merge("LA", (Image.fromarray(grey), Image.fromarray(shown * np.uint8(255)))).convert("RGBA")
    if transparency is not None and ";16" in depth:
        image.info["transparency"] = tuple(channel >> 8 for channel in transparency)
    elif transparency is not None and depth in ("L;2", "L;4"):
        image.info["transparency"] = transparency * (85 if depth == "L;2" else 17)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    return image if image.mode == "RGBA" else image.convert("RGBA")


def _cells(image: Image.Image, dtype: str) -> UInt8[np.ndarray, "h w"] | UInt32[np.ndarray, "h w"]:
    return np.frombuffer(image.tobytes(), dtype=dtype).reshape(image.height, image.width)
