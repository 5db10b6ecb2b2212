"""Names of the bestiary: roots of an element with endings that grow with the stage."""

from typing import Final

from pipeline.sample.traits import Dice

_MIDDLES: Final = ("", "", "", "", "b", "d", "l", "m", "n", "r", "v", "z")
_YOUNG: Final = ("bit", "let", "ling", "kin", "pip", "bo", "mi", "puff", "é", "ini", "too", "nub")
_GROWN: Final = ("ard", "ox", "eon", "una", "ero", "ith", "adu", "ino", "arra", "ôn", "elle", "ask")
_GREAT: Final = ("ador", "aros", "imax", "ogon", "atrix", "orion", "ûl", "urge", "andra", "azar", "otan", "iveth")
_TITLES: Final = ("Old", "Grand", "Elder", "High")
_VOWELS: Final = "aeiou"
_OPEN: Final = "aeiouéôû"


def _joined(root: str, ending: str, vowel: str) -> str:
    """Join root and ending so that they can be spoken: vowels and consonants take turns at the joint."""
    if ending[0] in _OPEN:
        return root.rstrip(_VOWELS) + ending
    return root + ending if root[-1] in _VOWELS else root + vowel + ending


def family_names(dice: Dice, roots: tuple[str, ...], stages: int, taken: frozenset[str]) -> tuple[str, ...]:
    """Return a name per stage of a family, none of them taken."""
    while True:
        vowel, middle = dice.pick(_VOWELS), dice.pick(_MIDDLES)
        root = dice.pick(roots)
        if middle:
            root = _joined(root, middle, vowel)
        endings = [dice.pick(_YOUNG), dice.pick(_GROWN), dice.pick(_GREAT)]
        names = [_joined(root, ending, vowel) for ending in (endings if stages == 3 else endings[3 - stages :])]  # noqa: PLR2004
        if dice.chance(9):
            names[0] = f"{names[0]}-{dice.pick(_YOUNG[:8])}"
        if stages > 1 and dice.chance(7):
            names[-1] = f"{dice.pick(_TITLES)} {names[-1]}"
        if not taken & set(names) and all(4 <= len(name) <= 17 for name in names):  # noqa: PLR2004 - readable lengths
            return tuple(names)
