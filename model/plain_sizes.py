"""What records take without any model: as raw pixels, as PNG files, and under a general compressor.

They make an audit's bits speak. Each says what it is: a file has headers, a compressor learns from what it is given.
"""

import lzma
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import UInt8

RGB_BITS = 24
DICTIONARY = 1 << 24  # bytes that xz may look back; more than a split's ids take


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A size to hold the others against, in mean bits per record."""

    name: str
    part: Literal["picture", "record"]
    bits: float
    meaning: str


def reference_sizes(
    pixels: float, images: Sequence[dict[str, Any]], records: Sequence[UInt8[np.ndarray, "_"]]
) -> tuple[Reference, ...]:
    """Return the reference sizes of a split: of `pixels` per record, its image column, and its records' ids."""
    alone = sum(_xz_bits(record.tobytes()) for record in records)
    together = _xz_bits(b"".join(record.tobytes() for record in records))
    return (
        Reference(
            name="RGB",
            part="picture",
            bits=RGB_BITS * pixels,
            meaning="24 bits for each pixel of the sprite: what any colour would take",
        ),
        Reference(
            name="PNG",
            part="picture",
            bits=8 * sum(len(image["bytes"]) for image in images) / len(images),
            meaning="the files of the image column as they are, heads and palettes included; Parquet packs them again",
        ),
        Reference(
            name="xz, alone",
            part="record",
            bits=alone / len(records),
            meaning="a raw LZMA2 stream of each record's ids: it has learned nothing before",
        ),
        Reference(
            name="xz, joined",
            part="record",
            bits=together / len(records),
            meaning="one raw LZMA2 stream of the split's ids: each record learns from those before it",
        ),
    )


def _xz_bits(body: bytes) -> int:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9, "dict_size": min(DICTIONARY, max(4096, len(body)))}]
    return 8 * len(lzma.compress(body, format=lzma.FORMAT_RAW, filters=filters))
