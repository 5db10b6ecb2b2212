"""The paper's protocol and what is measured under it; without torch, so that an evaluation is read in no time."""

from dataclasses import dataclass
from typing import Literal

from pipeline.windows import require_odd

Reads = Literal["excerpt", "record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperProtocol:
    """What is read, what is continued, and how a record's end is met."""

    given: int = 64  # tokens whose windows are read
    continued: int = 16  # tokens drawn greedily
    k: int = 3  # side of the windows compared, whatever side the model reads
    wrap: bool = True  # go on at the record's beginning; False leaves such excerpts out
    reads: Reads = "excerpt"  # the 64 windows alone, or all of the record up to there

    def __post_init__(self) -> None:
        """Refuse what compares nothing, with the value."""
        require_odd(self.k)
        if self.given < 1 or self.continued < 1:
            raise ValueError(f"{self.given} tokens given and {self.continued} continued: both must be 1 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperVariant:
    """The same metrics under a changed protocol."""

    wrap: bool
    reads: Reads
    excerpts: int
    hamming: float  # share of cells that differ
    cosine: float  # of the two vectors of ids
    bleu: float
    std: tuple[float, float, float]  # of hamming, cosine and bleu, over excerpts
    centre_accuracy: float  # share of the tokens themselves that were right
    text_accuracy: float  # of bytes that are no separators
    other_accuracy: float  # of colours and separators


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperScores:
    """The paper's own metrics under its own protocol; older versions told only the four without a default."""

    hamming: float
    cosine: float
    bleu: float
    centre_accuracy: float
    std: tuple[float, ...] = ()  # of hamming, cosine and bleu, over excerpts
    excerpts: int = 0
    text_accuracy: float = 0.0
    other_accuracy: float = 0.0
    variants: tuple[PaperVariant, ...] = ()  # without wrap-around: of the excerpts alone, and of whole beginnings
