"""What a dataset is, in a sentence, and what its card shows first: whole, or without its texts or pictures."""

from dataclasses import dataclass

from pipeline.cards.markdown import one_line
from pipeline.release import Manifest

#: What the plots of a card show, for those who cannot see them.
PLOTS = {
    "record-lengths.png": "How many records have which length",
    "caption-lengths.png": "How many captions have which length",
    "palette-use.png": "How many pixels have which colour",
    "sprite-sizes.png": "How many sprites have which size",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What people see of a record first."""

    columns: tuple[str, str]  # of `records`
    told: str  # what `records` holds, in words


_SHOWN = {
    (): Shown(columns=("image", "caption"), told="the sprite as PNG, its caption, and where both came from"),
    ("texts",): Shown(columns=("image", "name"), told="the sprite as PNG, and where it and its text came from"),
    ("pictures",): Shown(columns=("name", "caption"), told="the caption, and where it and its picture came from"),
    ("texts", "pictures"): Shown(columns=("name", "source_url"), told="names, and where text and picture can be read"),
}


def shown_of(manifest: Manifest) -> Shown:
    """Return what people see of a release's records first."""
    return _SHOWN[manifest.without]


def summary(manifest: Manifest) -> str:
    """Return what the dataset is in one sentence without any name."""
    count, side = f"{sum(manifest.counts.values()):,}", f"at most {manifest.max_side} px a side"
    if not manifest.without:
        ids = manifest.vocabulary["size"]
        return (
            f"{count} small pixel-art pictures of {side}, each with a caption, as tokens of one vocabulary "
            f"of {ids} ids (PixelBytes)."
        )
    if manifest.without == ("pictures",):
        return (
            f"{count} captions of small pixel-art pictures; the pictures are not in it, but named by their addresses."
        )
    if manifest.without == ("texts",):
        return f"{count} small pixel-art pictures of {side}; their texts are not in it, but named by their addresses."
    return (
        f"A list of {count} small pixel-art pictures and their texts; neither is in it, but both are named by address."
    )


def description(manifest: Manifest, title: str) -> str:
    """Return the summary with the dataset's title, the one thing in it that comes from outside."""
    return f"{one_line(title, 200)}: {summary(manifest)}"
