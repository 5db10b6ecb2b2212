"""A picture's bytes to a small RGB array: decode within bounds, crop, shrink, flatten alpha."""

import io
import warnings

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

MAX_SIDE = 25  # px on the longer side of a sprite
MAX_PIXELS = 4096 * 4096  # of the raw picture; checked before anything is decoded
MAX_BYTES = 16 * 1024 * 1024  # of the raw file
FORMATS = ("PNG", "GIF", "JPEG", "WEBP")
BACKGROUND = (252, 252, 252)  # what transparency becomes: the palette's white
_BACKGROUND_PACKED = BACKGROUND[0] | BACKGROUND[1] << 8 | BACKGROUND[2] << 16


class PictureError(ValueError):
    """A picture that cannot become a sprite; the message says why."""


def pixelize(body: bytes, max_side: int = MAX_SIDE) -> UInt8[np.ndarray, "h w 3"]:
    """Return the picture cropped to what is drawn, at most `max_side` px a side, alpha flattened on white.

    Shrinking is nearest and comes before flattening, so that no colour arises that was not drawn. Aspect ratio is
    kept, nothing is enlarged. Raises PictureError for bytes that are no picture, are damaged, are too large or empty.
    """
    rgba = np.asarray(_decode(body))
    top, left, bottom, right = _drawn_box(rgba)
    h, w = bottom - top, right - left
    scale = min(1.0, max_side / max(h, w))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = cv2.resize(rgba[top:bottom, left:right], size, interpolation=cv2.INTER_NEAREST_EXACT)
    return flatten(small)


def flatten(rgba: UInt8[np.ndarray, "h w 4"]) -> UInt8[np.ndarray, "h w 3"]:
    """Lay a picture with alpha on the background colour, rounding to nearest."""
    packed = np.ascontiguousarray(rgba).view("<u4")[..., 0]
    alpha = packed >> 24
    if not (alpha + 1 & 254).any():  # 0 and 255 alone, as pixel art has it: a choice instead of arithmetic
        chosen = np.where(alpha, packed, np.uint32(_BACKGROUND_PACKED))
        return chosen.astype("<u4", copy=False).view(np.uint8).reshape(*chosen.shape, 4)[..., :3]
    share = rgba[..., 3:].astype(np.uint16)
    ground = np.array(BACKGROUND, dtype=np.uint16)
    return ((rgba[..., :3] * share + ground * (255 - share) + 127) // 255).astype(np.uint8)


def _decode(body: bytes) -> Image.Image:
    if len(body) > MAX_BYTES:
        raise PictureError(f"the file has {len(body):,} bytes, more than the {MAX_BYTES:,} allowed.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the check below is stricter
            image = Image.open(io.BytesIO(body), formats=FORMATS)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise PictureError(_why_not_opened(body, error)) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise PictureError(f"the file begins like a picture but its head is damaged: {error}.") from error
    if image.width * image.height > MAX_PIXELS:
        raise PictureError(f"the picture is {image.width}×{image.height} px, more than the {MAX_PIXELS:,} px allowed.")
    try:
        return image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:  # what damaged files raise in Pillow
        raise PictureError(f"the picture is damaged: {error}.") from error


def _why_not_opened(body: bytes, error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"the {len(body):,} bytes are no {', '.join(FORMATS)} picture: they begin with {body[:8]!r}."
    return f"the picture is far larger than the {MAX_PIXELS:,} px allowed."


def _drawn_box(rgba: UInt8[np.ndarray, "h w 4"]) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of all pixels that are more drawn than not."""
    alpha = np.ascontiguousarray(rgba[..., 3])
    left, top, w, h = cv2.boundingRect(alpha >> 7)  # 128 and more
    if not w:
        raise PictureError(f"the picture of {rgba.shape[1]}×{rgba.shape[0]} px is transparent everywhere.")
    return top, left, top + h, left + w
