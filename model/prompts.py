"""Prompts: beginnings of records that tell a caption, a picture, or the upper part of one.

Axes: h, w rows and columns of a sprite, L tokens.
"""

import numpy as np
from jaxtyping import UInt8

from palettes.vocabulary import Vocabulary
from pipeline.tokenizer import encode, shape_text


def caption_prompt(caption: str, vocabulary: Vocabulary) -> UInt8[np.ndarray, "L"]:
    """Return the beginning of a caption-first record: its picture is to be drawn."""
    if not caption:
        raise ValueError("the caption is empty: give a text, or draw from no prompt at all.")
    return encode([caption], vocabulary)


def picture_prompt(sprite: UInt8[np.ndarray, "h w"], vocabulary: Vocabulary) -> UInt8[np.ndarray, "L"]:
    """Return the beginning of an image-first record: its caption is to be written."""
    return encode([shape_text(*sprite.shape), sprite], vocabulary)


def completion_prompt(
    sprite: UInt8[np.ndarray, "h w"], rows: int, vocabulary: Vocabulary, caption: str = ""
) -> UInt8[np.ndarray, "L"]:
    """Return the beginning of a record that tells a picture's shape and its first rows: the others are to be drawn.

    It is image first, or text first when a caption is given. ValueError when no row is left to draw.
    """
    h, w = sprite.shape
    if not 0 <= rows < h:
        raise ValueError(f"rows is {rows}, but the picture has {h}: give 0 to {h - 1}, so that some are left to draw.")
    begun = picture_prompt(sprite, vocabulary)
    begun = begun[: len(begun) - (h - rows) * (w + 1)]
    return np.concatenate([caption_prompt(caption, vocabulary), begun]) if caption else begun
