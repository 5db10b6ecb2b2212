"""A picture's bytes to a small RGB array: decode within bounds, crop, shrink, flatten alpha."""

import io
import warnings

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

MAX_SIDE = 25  # px on the longer side of a sprite
MAX_PIXELS = 4096 * 4096  # of the raw picture; checked before anything is decoded
MAX_BYTES = 16 * 1024 * 1024  # of the raw file
FORMATS = ("PNG", "GIF", "JPEG", "WEBP")
BACKGROUND = (252, 252, 252)  # what transparency becomes: the palette's white


class PictureError(ValueError):
    """A picture that cannot become a sprite; the message says why."""


def pixelize(body: bytes, max_side: int = MAX_SIDE) -> UInt8[np.ndarray, "h w 3"]:
    """Return the picture cropped to what is drawn, at most `max_side` px a side, alpha flattened on white.

    Shrinking is nearest and comes before flattening, so that no colour arises that was not drawn. Aspect ratio is
    kept, nothing is enlarged. Raises PictureError for bytes that are no picture, are damaged, are too large or empty.
    """
    image = _decode(body)
    box = image.getbbox()  # of all that is not wholly transparent
    if box is None:
        raise PictureError(f"the picture of {image.width}×{image.height} px is transparent everywhere.")
    w, h = box[2] - box[0], box[3] - box[1]
    scale = min(1.0, max_side / max(w, h))
    size = (max(1, round(w * scale)), max(1, round(h * scale)))
    small = image.resize(size, Image.Resampling.NEAREST, box=box)
    flat = Image.new("RGB", size, BACKGROUND)
    flat.paste(small, mask=small)  # blends by alpha, rounding to nearest
    return np.asarray(flat)


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
