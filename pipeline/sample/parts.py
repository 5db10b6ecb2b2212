"""Parts that many plans share, by kind; parts that belong to one plan are drawn by the plan."""

from collections.abc import Callable
from typing import Final

from pipeline.sample.anatomy import Anatomy
from pipeline.sample.painting import Painted
from pipeline.sample.parts_back import crystals, sail, spikes, wings
from pipeline.sample.parts_head import antennae, crest, ears, flame, horns, mane, sprout, tusks
from pipeline.sample.tails import tail
from pipeline.sample.traits import Part, Traits

PAINTERS: Final[dict[str, Callable[[Part, Anatomy, Traits], Painted]]] = {
    "wings": wings, "ears": ears, "horns": horns, "antennae": antennae, "crest": crest, "sprout": sprout,
    "flame": flame, "spikes": spikes, "crystals": crystals, "sail": sail, "mane": mane, "tusks": tusks, "tail": tail,
}  # fmt: skip

"""Painter of each shared part."""

BETWEEN: Final = frozenset({"mane"})

"""Parts that lie over the torso but behind the face."""
