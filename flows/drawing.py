"""Draw with a checkpoint: pictures, texts and a contact sheet in a folder, and a look at them in the terminal."""

from pathlib import Path

import numpy as np
from rich.text import Text

from flows.console import err, out
from flows.errors import UsageError
from flows.model_verbs import DrawOptions
from model.checkpoint import load_checkpoint
from model.generate import Sample, SampleConfig, caption_prompt, draw_samples, picture_prompt
from model.network import Network
from model.pictures import contact_sheet, sprite_png, terminal_sprite
from model.runs import one_thread
from palettes.vocabulary import Vocabulary
from pipeline.pixelize import MAX_BYTES, PictureError, pixelize
from pipeline.quantize import quantize
from pipeline.text import normalize_text

LONGEST = 1400  # characters of a caption that is written


def draw(checkpoint: Path, caption: str | None, picture: Path | None, how: DrawOptions) -> list[Sample]:
    """Draw `count` records from a caption, a picture or nothing; write PNGs and texts, and show them."""
    one_thread()
    network, info = load_checkpoint(checkpoint)
    samples = _drawn(network, info.vocabulary, caption, picture, how)
    folder = how.out
    folder.mkdir(parents=True, exist_ok=True)
    rgb = info.vocabulary.palette.rgb
    for number, sample in enumerate(samples):
        (folder / f"{number:03d}.png").write_bytes(sprite_png(sample.sprite, rgb, how.scale))
        (folder / f"{number:03d}.txt").write_text(sample.caption + "\n", encoding="utf-8")
        out.print(Text.from_ansi(terminal_sprite(sample.sprite, rgb)))
        out.print(sample.caption + "\n", markup=False)
    (folder / "contact-sheet.png").write_bytes(contact_sheet([sample.sprite for sample in samples], rgb))
    err.print(f"{len(samples)} pictures and texts in {folder}", soft_wrap=True, markup=False)
    return samples


def _drawn(
    network: Network, vocabulary: Vocabulary, caption: str | None, picture: Path | None, how: DrawOptions
) -> list[Sample]:
    config = SampleConfig(temperature=how.temperature, seed=how.seed, max_caption=LONGEST)
    if caption is not None:
        text = normalize_text(caption)
        if not text.text:
            raise UsageError(f"the caption {caption!r} has no character with a token: write it in Latin letters.")
        if text.replaced:
            err.print(f"read as: {text.text}", style="dim", markup=False)
        prompts = [caption_prompt(text.text, vocabulary)] * how.count
        return draw_samples(network, vocabulary, prompts, "text_first", config)
    if picture is not None:
        prompts = [picture_prompt(_sprite(picture, vocabulary), vocabulary)] * how.count
        return draw_samples(network, vocabulary, prompts, "image_first", config)
    return draw_samples(network, vocabulary, [np.zeros(0, dtype=np.uint8)] * how.count, "image_first", config)


def _sprite(picture: Path, vocabulary: Vocabulary) -> np.ndarray:
    if not picture.is_file() or picture.stat().st_size > MAX_BYTES:
        raise UsageError(f"{picture} is no file of at most {MAX_BYTES:,} bytes: give a PNG, GIF, JPEG or WebP.")
    try:
        return quantize(pixelize(picture.read_bytes()), vocabulary.palette)
    except PictureError as error:
        raise UsageError(f"{picture}: {error}") from error
