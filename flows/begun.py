"""What a draw begins with: the user's text, picture, or upper part of a picture as the beginning of a record."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from flows.console import err
from flows.errors import UsageError, given_by_user
from model.generate import caption_prompt, completion_prompt, picture_prompt
from palettes.vocabulary import Vocabulary
from pipeline.pixelize import MAX_BYTES, PictureError
from pipeline.recipe import PictureRecipe
from pipeline.sprites import sprite_of
from pipeline.text import normalize_text
from pipeline.tokenizer import Order

NAMED = 8  # characters without a token that are named


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user gave to begin with."""

    caption: str | None = None
    picture: Path | None = None  # to be described
    complete: Path | None = None  # to be drawn on from its first rows
    rows: int | None = None  # of it; None: half

    def __post_init__(self) -> None:
        """Refuse what cannot stand together."""
        if self.picture is not None and (self.caption is not None or self.complete is not None):
            raise UsageError("give --picture alone: it is to be described, so neither --caption nor --complete fits.")
        if self.rows is not None and self.complete is None:
            raise UsageError("--rows says how much of the picture of --complete is kept: give both.")

    @property
    def what(self) -> str:
        """Return a word for it: the name of a folder."""
        if self.complete is not None:
            return "half"
        return "caption" if self.caption is not None else "picture" if self.picture is not None else "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """The beginning of a record."""

    what: str
    prompt: UInt8[np.ndarray, "L"]
    order: Order


def begin(given: Given, vocabulary: Vocabulary, recipe: PictureRecipe) -> Begun:
    """Return what was given as ids; what had to be changed is said on stderr. UsageError when nothing is left of it."""
    caption = readable(given.caption) if given.caption is not None else ""
    order: Order = "text_first" if caption else "image_first"
    if given.complete is not None:
        sprite = _sprite(given.complete, vocabulary, recipe)
        rows = len(sprite) // 2 if given.rows is None else given.rows
        with given_by_user():
            return Begun(what=given.what, prompt=completion_prompt(sprite, rows, vocabulary, caption), order=order)
    if caption:
        return Begun(what=given.what, prompt=caption_prompt(caption, vocabulary), order=order)
    if given.picture is not None:
        prompt = picture_prompt(_sprite(given.picture, vocabulary, recipe), vocabulary)
        return Begun(what=given.what, prompt=prompt, order=order)
    return Begun(what=given.what, prompt=np.zeros(0, dtype=np.uint8), order=order)


def readable(caption: str) -> str:
    """Return the caption in characters that have a token, and say on stderr which had none."""
    text = normalize_text(caption)
    if not text.text:
        raise UsageError(f"the caption {caption!r} has no character with a token: write it in Latin letters.")
    if text.replaced:
        odd = [character for character in dict.fromkeys(caption) if normalize_text(character).replaced]
        err.print(f"no token: {_stand_ins(odd)}", style="dim", markup=False, soft_wrap=True)
        err.print(f"read as: {text.text}", style="dim", markup=False, soft_wrap=True)
    return text.text


def _stand_ins(odd: Sequence[str]) -> str:
    parts = []
    for character in odd[:NAMED]:
        stand_in = normalize_text(character).text
        parts.append(f"{character!r} read as {stand_in!r}" if stand_in else f"{character!r} left out")
    return ", ".join(parts) + (f", and {len(odd) - NAMED} more" if len(odd) > NAMED else "")


def _sprite(picture: Path, vocabulary: Vocabulary, recipe: PictureRecipe) -> UInt8[np.ndarray, "h w"]:
    """Return a picture file as the dataset's pictures are: pixelized, in the palette's colours."""
    if not picture.is_file() or picture.stat().st_size > MAX_BYTES:
        raise UsageError(f"{picture} is no file of at most {MAX_BYTES:,} bytes: give a PNG, GIF, JPEG or WebP.")
    try:
        sprite = sprite_of(picture.read_bytes(), vocabulary.palette, recipe)
    except PictureError as error:
        raise UsageError(f"{picture}: {error}") from error
    h, w = sprite.shape
    told = f"{picture.name} is read as the dataset's pictures are: {w}×{h} px, at most {recipe.max_side} a side"
    err.print(told, style="dim", markup=False, soft_wrap=True)
    return sprite
