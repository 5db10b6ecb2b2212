"""What shapes the rows of a release: plain choices, all of which stand in its manifest."""

from dataclasses import dataclass, fields
from typing import Literal, get_args

from palettes.palette import load_palette
from palettes.vocabulary import Vocabulary

TRANSFORM_VERSION = 3  # raise it whenever the same raw bytes would give other rows
MAX_SIDE = 25  # px on the longer side of a sprite, the paper's
LARGEST_SIDE = 99  # the shape segment has two digits a side; a wider window than that sees nothing more
LONGEST_CAPTION = 50_000  # characters: offsets within a record are numbers of 16 bits
Crop = Literal["drawn", "none"]
Resample = Literal["nearest", "area"]
Distance = Literal["cie76", "ciede2000"]
Dither = Literal["none", "floyd-steinberg", "bayer"]


def is_palette_file(palette: str) -> bool:
    """Tell whether a palette is given as a file, not by its name."""
    return palette.lower().endswith((".gpl", ".hex", ".pal"))


_CHOICES = {"crop": Crop, "resample": Resample, "distance": Distance, "dither": Dither}


def _check_choices(recipe: "PictureRecipe") -> None:
    for field in fields(recipe):
        choices = get_args(_CHOICES.get(field.name))
        value = getattr(recipe, field.name)
        if choices and value not in choices:
            raise ValueError(f"{field.name} is {value!r}: choose one of {', '.join(choices)}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRecipe:
    """How a picture becomes a sprite, step by step in this order; the steps are in pixelize.py and quantize.py."""

    crop: Crop = "drawn"  # to what is not transparent; an opaque picture to what is not its background's one colour
    unscale: bool = True  # undo an exact integer enlargement, such as a sprite of 64 px blown up to 256
    max_side: int = MAX_SIDE  # px on the longer side; nothing is enlarged
    resample: Resample = "nearest"  # how it is shrunk: nearest keeps drawn colours, area averages photographs
    outline: bool = False  # after shrinking, dark lines that nearest would have skipped are drawn again
    background: tuple[int, int, int] = (252, 252, 252)  # what transparency becomes: the NES palette's white
    colours: int = 0  # colours that a photograph is reduced to by k-means before it is quantized; 0: no such step
    seed: int = 0  # of k-means
    distance: Distance = "cie76"  # between colours, in CIELAB
    dither: Dither = "none"

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        _check_choices(self)
        if not 1 <= self.max_side <= LARGEST_SIDE:
            raise ValueError(f"max_side is {self.max_side}: choose 1 to {LARGEST_SIDE} px (the paper's is {MAX_SIDE}).")
        if len(self.background) != 3 or not all(0 <= channel <= 255 for channel in self.background):  # noqa: PLR2004
            raise ValueError(f"background is {self.background}: give red, green and blue from 0 to 255.")
        if self.colours and not 2 <= self.colours <= 256:  # noqa: PLR2004 - one colour draws nothing
            raise ValueError(f"colours is {self.colours}: choose 2 to 256, or 0 to leave that step out.")
        if not 0 <= self.seed < 1 << 31:
            raise ValueError(f"seed is {self.seed}: choose a number from 0 to {(1 << 31) - 1}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildConfig:
    """How a raw store becomes a release."""

    palette: str = "nes"  # a name in palettes/, or the path of a .gpl, .hex or .pal file
    k: int = 3  # side of a context window, in tokens
    windows: tuple[int, ...] = ()  # sides of the windows that are written out; readers make them from tokens
    pictures: PictureRecipe = PictureRecipe()
    text_share: float = 2 / 3  # of a record's tokens that its caption aims at
    min_caption: int = 20  # characters: less says nothing about a picture
    max_caption: int = 2000  # characters, whatever the picture's size
    max_replaced: float = 0.1  # of a caption's characters, what may have had no token

    def __post_init__(self) -> None:
        """Check what the types cannot say."""
        for k in (self.k, *self.windows):
            if not 1 <= k <= LARGEST_SIDE or k % 2 == 0:
                raise ValueError(f"k is {k}, but a window needs a centre: choose an odd k of 1 to 99, such as 3.")
        if list(self.windows) != sorted(set(self.windows)):
            raise ValueError(f"windows are {self.windows}: give each side once, in ascending order.")
        if not 0 < self.text_share < 1:
            raise ValueError(f"text_share is {self.text_share}: it is a share between 0 and 1, such as 0.667.")
        if not 0 <= self.max_replaced <= 1:
            raise ValueError(f"max_replaced is {self.max_replaced}: it is a share from 0 to 1, such as 0.1.")
        if not 1 <= self.min_caption <= self.max_caption <= LONGEST_CAPTION:
            raise ValueError(
                f"min_caption is {self.min_caption} and max_caption {self.max_caption}: "
                f"give 1 ≤ min_caption ≤ max_caption ≤ {LONGEST_CAPTION:,}."
            )

    def vocabulary(self) -> Vocabulary:
        """Return the vocabulary that the palette gives; ValueError for a palette that is not known."""
        return Vocabulary(palette=load_palette(self.palette))
