"""What is true of a creature: the one source of both its picture and its text."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

BUILD_STEPS = 10
"""Proportions are whole numbers below this."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One part beyond the bare body: a kind (wings, horns, tail…), a style, a colour, and how many."""

    kind: str
    colour: str
    style: str = ""
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Traits:
    """Everything that is true of a creature and may be drawn or told."""

    plan: str  # body plan, a key of PLANS
    theme: str  # element of the family, a key of THEMES
    main: str  # colour of most of the body
    second: str  # colour of the plan's second area
    belly: str  # colour of the belly, "" for none
    eye: str  # colour of the iris
    eye_style: str
    mouth: str
    marking: str  # kind of marking, "" for none
    marking_colour: str
    parts: tuple[Part, ...]
    facing: str  # "left", "right" or "front"
    growth: int  # 0 young, 1 half grown or single, 2 full grown
    side: int  # longer side in native pixels, outline included
    factor: int  # native pixels are enlarged by it
    build: tuple[int, ...]  # proportions, shared by the family

    def scale(self, low: int, high: int, knob: int) -> int:
        """Return a length between `low` and `high`, set by one of the family's proportions."""
        return low + (high - low) * self.build[knob % len(self.build)] // (BUILD_STEPS - 1)

    def part(self, kind: str) -> Part | None:
        """Return the part of a kind, or None."""
        return next((part for part in self.parts if part.kind == kind), None)


@dataclass(frozen=True, kw_only=True, slots=True)
class Creature:
    """One drawing of the bestiary: a species, or a form of one."""

    id: str
    number: int  # shared by the forms of a species
    name: str
    form: str  # "" for the base form
    family: str
    stage: int  # 1, 2 or 3
    stages: int  # how many the family has
    earlier: str  # name of the stage before, "" for the first
    traits: Traits


class Dice:
    """A seeded source of choices that gives the same on every platform and Python: it only ever asks `random()`."""

    def __init__(self, seed: int) -> None:
        """Seed the Mersenne Twister, whose `random()` is fixed by the language."""
        self._random = random.Random(seed).random  # noqa: S311 - drawing creatures, not secrets

    def below(self, limit: int) -> int:
        """Return a whole number from 0 to `limit` - 1."""
        return int(self._random() * limit)

    def chance(self, percent: int) -> bool:
        """Return True in `percent` of 100 throws."""
        return self.below(100) < percent

    def pick(self, choices: Sequence[T]) -> T:
        """Return one of the choices."""
        return choices[self.below(len(choices))]

    def shuffled(self, choices: Sequence[T]) -> list[T]:
        """Return the choices in a new order."""
        rest = list(choices)
        return [rest.pop(self.below(len(rest))) for _ in choices]
