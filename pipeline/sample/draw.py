"""Traits to a sprite: the body plan gives the anatomy, parts and markings are laid on it, raster.py makes pixels."""

from collections.abc import Callable
from functools import cache
from typing import Final

import numpy as np
from jaxtyping import UInt8

from pipeline.sample import plans_air, plans_bug, plans_land, plans_plant, plans_shell, plans_water
from pipeline.sample.anatomy import Anatomy
from pipeline.sample.markings import markings
from pipeline.sample.parts import BETWEEN, PAINTERS
from pipeline.sample.raster import render
from pipeline.sample.shapes import Eye, Layer, Mouth, mirrored
from pipeline.sample.traits import Traits

PLANS: Final[dict[str, Callable[[Traits], Anatomy]]] = {
    "blob": plans_land.blob, "beast": plans_land.beast, "biped": plans_land.biped, "golem": plans_land.golem,
    "turtle": plans_shell.turtle, "snail": plans_shell.snail, "crab": plans_bug.crab, "bird": plans_air.bird,
    "bat": plans_air.bat, "moth": plans_bug.moth, "beetle": plans_bug.beetle, "spider": plans_bug.spider,
    "fish": plans_water.fish, "serpent": plans_water.serpent, "jelly": plans_water.jelly, "ghost": plans_air.ghost,
    "bloom": plans_plant.bloom, "cap": plans_plant.cap,
}  # fmt: skip
"""Drawer of each body plan."""


def compose(traits: Traits) -> tuple[Layer, ...]:
    """Return the layers of a creature, from back to front."""
    body = PLANS[traits.plan](traits)
    behind: list[Layer] = []
    between: list[Layer] = []
    before: list[Layer] = []
    for part in traits.parts:
        if part.kind in PAINTERS:
            back, front = PAINTERS[part.kind](part, body, traits)
            behind.extend(back)
            (between if part.kind in BETWEEN else before).extend(front)
    on_trunk, on_face = markings(traits, body)
    layers = (
        *behind,
        *body.under,
        *body.trunk,
        *on_trunk,
        *between,
        *body.face,
        *on_face,
        *before,
        *_features(traits, body),
    )
    return tuple(mirrored(layer) for layer in layers) if traits.facing == "right" else layers


def _features(traits: Traits, body: Anatomy) -> tuple[Layer, ...]:
    """Return mouth and eyes."""
    reach = body.head.ry
    eyes = tuple(Layer(shape=Eye(x, y, reach, traits.eye_style), colour=traits.eye) for x, y in body.eyes)
    if body.mouth is None or traits.mouth == "none":
        return eyes
    return (Layer(shape=Mouth(*body.mouth, traits.mouth), colour="black"), *eyes)


@cache
def portray(traits: Traits) -> UInt8[np.ndarray, "H W 4"]:
    """Return the RGBA sprite of a creature, 32 to 96 px on the longer side, on transparency; treat it as read-only."""
    sprite = render(compose(traits), traits.side, centred=traits.facing == "front")
    sprite = sprite.repeat(traits.factor, axis=0).repeat(traits.factor, axis=1)
    sprite.setflags(write=False)
    return sprite
