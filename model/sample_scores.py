"""What is said of records that a network drew: well formed or not, new or copied. Without torch, so it is read fast.

How it is measured stands in `model/validity.py` and `model/memorisation.py`.
"""

from dataclasses import dataclass

from model.memorisation import Memorisation


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A way in which records broke the grammar."""

    what: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """How many of the records drawn were well formed, and what was wrong with the others."""

    drawn: int
    well_formed: int
    faults: tuple[Fault, ...] = ()  # the commonest first

    def __post_init__(self) -> None:
        """Refuse counts that no drawing gives: they may come from a file."""
        if not 0 <= self.well_formed <= self.drawn or not self.drawn:
            raise ValueError(f"{self.well_formed} of {self.drawn} records are said to be well formed: draw some again.")

    @property
    def share(self) -> float:
        """Share of well-formed records."""
        return self.well_formed / self.drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelValidity:
    """What one network draws from nothing when no grammar holds it."""

    model: str
    seed: int
    found: Validity


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMemorisation:
    """How near the pictures that one network draws from nothing come to those it was trained on."""

    model: str
    seed: int
    found: Memorisation
