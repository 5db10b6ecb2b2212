"""Families: seeded choices of plan, colours, parts and names, one family at a time."""

from dataclasses import dataclass, replace
from typing import Final

from pipeline.sample.names import family_names
from pipeline.sample.themes import THEMES
from pipeline.sample.traits import BUILD_STEPS, Creature, Dice, Part, Traits

_FRONT: Final = frozenset(
    {"blob", "biped", "golem", "crab", "bat", "moth", "beetle", "spider", "jelly", "ghost", "bloom", "cap"}
)

_FREE_PARTS: Final[dict[str, tuple[str, ...]]] = {  # parts a plan may take on, besides its own
    "blob": ("horns", "antennae", "crest", "sprout", "flame", "spikes", "crystals", "ears", "wings"),
    "beast": ("ears", "ears", "horns", "wings", "mane", "spikes", "crystals", "tusks", "flame", "sail", "antennae"),
    "biped": ("ears", "horns", "wings", "crest", "flame", "sprout", "spikes", "tail", "tusks", "antennae"),
    "golem": ("crystals", "horns", "flame", "sprout", "spikes", "antennae", "tusks"),
    "turtle": ("spikes", "crystals", "sail", "horns", "flame", "sprout", "crest"),
    "snail": ("spikes", "crystals", "sprout"),
    "crab": ("spikes", "crystals", "flame", "sprout", "antennae", "crest"),
    "bird": ("crest", "flame", "horns", "sprout"),
    "bat": ("ears", "horns", "tusks", "ears"),
    "moth": ("antennae", "antennae", "crest", "horns"),
    "beetle": ("antennae", "spikes"),
    "spider": ("spikes", "horns", "crystals", "tusks"),
    "fish": ("spikes", "horns", "antennae"),
    "serpent": ("horns", "crest", "wings", "spikes", "sail", "mane", "flame"),
    "jelly": ("sprout", "crystals", "antennae", "flame", "crest"),
    "ghost": ("horns", "flame", "ears", "crest", "wings"),
    "bloom": ("sprout", "antennae", "horns"),
    "cap": ("sprout", "spikes", "horns"),
}
PLAN_NAMES: Final[tuple[str, ...]] = tuple(_FREE_PARTS)
"""All body plans, in the order families take them."""

_TOP: Final = frozenset({"crest", "sprout", "flame"})  # only one of these fits on a head
_BACK: Final = frozenset({"wings", "spikes", "crystals", "sail"})  # only one of these fits on a back
_BROW: Final = frozenset({"ears", "horns", "antennae", "mane"})  # only two of these
_MARKINGS: Final[dict[str, tuple[str, ...]]] = {
    "beast": ("spots", "stripes", "socks", "saddle", "mask", "band", ""),
    "biped": ("mask", "socks", "stripes", "spots", ""),
    "golem": ("band", "socks", ""), "turtle": ("spots", "", "stripes"), "snail": ("", ""),
    "bird": ("saddle", "mask", "spots", ""), "serpent": ("mask", "", "stripes"), "bloom": ("mask", ""),
    "cap": ("spots", "spots", "stripes"), "ghost": ("mask", "", "band"), "beetle": ("spots", "stripes", "band", ""),
    "moth": ("stripes", "band", "mask"), "fish": ("stripes", "spots", "saddle", "band", ""),
}  # fmt: skip
_ANY_MARKING: Final = ("spots", "stripes", "mask", "")
_SIDES: Final = (  # native pixels on the longer side and their factor, by growth; a clear rim comes on top
    ((36, 1), (20, 2), (24, 2), (24, 2), (25, 2)),
    ((25, 2), (28, 2), (32, 2), (25, 3)),
    ((25, 3), (27, 3), (25, 3), (30, 3), (40, 2), (46, 2)),
)
FORMS: Final[dict[str, tuple[str, str, str]]] = {  # main, second, accent
    "Frost form": ("white", "blue", "teal"),
    "Ember form": ("red", "yellow", "orange"),
    "Moss form": ("green", "brown", "yellow"),
    "Dusk form": ("indigo", "pink", "purple"),
    "Sand form": ("brown", "cream", "orange"),
    "Coral form": ("pink", "white", "orange"),
    "Ash form": ("grey", "black", "red"),
    "Lagoon form": ("teal", "yellow", "white"),
}
"""Recolour forms and the colours they bring."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """What the members of a family share."""

    plan: str
    theme: str
    traits: Traits  # of a grown member with every part
    names: tuple[str, ...]  # one per stage
    form: str  # recolour form, "" for none


def _other(dice: Dice, choices: tuple[str, ...], *taken: str) -> str:
    """Return a choice that is not taken yet."""
    return dice.pick(
        [c for c in choices if c not in taken] or [c for c in ("white", "grey", "yellow", "blue") if c not in taken]
    )


def _own_parts(dice: Dice, plan: str, main: str, second: str, accent: str) -> tuple[Part, ...]:
    """Return the parts a plan always has."""
    beak, leaf = _other(dice, ("orange", "yellow", "grey"), main, second), "green" if main != "green" else "teal"
    trail = _other(dice, (accent, second), main)
    style = dice.pick(("thin", "bushy", "forked", "burning", "leafy", "curled", "clubbed"))
    own = {
        "bird": (Part(kind="wings", style="feathered", colour=second, count=2), Part(kind="beak", colour=beak)),
        "bat": (Part(kind="wings", style="leathery", colour=second, count=2),),
        "moth": (Part(kind="wings", style="papery", colour=main, count=4),),
        "jelly": (Part(kind="tentacles", colour=trail, count=dice.pick((4, 5, 6))),),
        "bloom": (
            Part(kind="petals", colour=second, count=dice.pick((6, 8))),
            Part(kind="leaves", colour=leaf, count=2),
        ),
        "beast": (Part(kind="tail", style=style, colour=trail if style != "curled" else main),),
    }
    return own.get(plan, ())


def _style(dice: Dice, kind: str) -> tuple[str, int]:
    """Return a style and a count for a shared part."""
    if kind == "ears":
        return dice.pick(("pointed", "round", "long", "floppy")), 2
    if kind == "horns":
        count = dice.pick((1, 2, 2))
        return (dice.pick(("straight", "curved")) if count == 2 else "straight"), count  # noqa: PLR2004 - a pair
    if kind == "wings":
        return dice.pick(("feathered", "leathery", "papery")), 2
    if kind == "tail":
        return dice.pick(("thin", "bushy", "forked", "burning", "leafy")), 1
    return "", 2 if kind in {"tusks", "antennae"} else 1


def _free_parts(dice: Dice, plan: str, colours: tuple[str, ...], count: int) -> list[Part]:
    """Return up to `count` parts that fit together."""
    chosen: list[Part] = []
    kinds: set[str] = set()
    for kind in dice.shuffled(_FREE_PARTS[plan]):
        full = (kind in _TOP and kinds & _TOP) or (kind in _BACK and kinds & _BACK) or (kind in _BROW and kinds & _BROW)
        single = any(p.kind == "horns" and p.count == 1 for p in chosen) and kind in _TOP
        if len(chosen) == count or kind in kinds or full or single:
            continue
        style, number = _style(dice, kind)
        if kind == "horns" and kinds & _TOP:
            number = 2
        if plan == "beetle" and kind == "antennae":
            style = "lowered"
        kinds.add(kind)
        chosen.append(Part(kind=kind, style=style, colour=dice.pick(colours), count=number))
    return chosen


def _traits(dice: Dice, plan: str, theme: str) -> Traits:
    """Choose what a grown member of a family looks like."""
    look = THEMES[theme]
    main = dice.pick(look.mains)
    second = _other(dice, look.accents, main, "cream")
    accent = _other(dice, look.accents, main, second)
    own = _own_parts(dice, plan, main, second, accent)
    free = _free_parts(dice, plan, (second, accent, accent), 2 if own else 3)
    tusked = any(part.kind == "tusks" for part in free)
    mouth = dice.pick(("smile", "smile", "line", "open"))
    bellied = plan in _BELLIED and dice.chance(60)
    belly = _other(dice, ("cream", "white", "yellow", accent), main, second) if bellied else ""
    marking = dice.pick(_MARKINGS.get(plan, _ANY_MARKING))
    ground = (main, belly, second) if plan == "moth" else (main, belly)
    marked = _other(dice, (second, accent), *ground) if marking else ""
    return Traits(
        plan=plan,
        theme=theme,
        main=main,
        second=second,
        belly=belly,
        eye=_other(dice, look.eyes, main, second, marked if marking == "mask" else ""),
        eye_style=dice.pick(("round", "bright", "bright", "stern", "drowsy")),
        mouth="line" if tusked else "fangs" if plan in {"bat", "spider"} else mouth,
        marking=marking,
        marking_colour=marked,
        parts=(*own, *free),
        facing="front" if plan in _FRONT else dice.pick(("left", "right")),
        growth=2,
        side=0,
        factor=1,
        build=tuple(dice.below(BUILD_STEPS) for _ in range(8)),
    )


_BELLIED: Final = frozenset(
    {"blob", "beast", "biped", "crab", "bird", "bat", "moth", "spider", "fish", "serpent", "ghost", "bloom"}
)


def make_family(seed: int, place: int, attempt: int, taken: frozenset[str]) -> Family:
    """Return the family at a place of the bestiary; `attempt` gives another one where the first did not fit."""
    dice = Dice((seed * 1_000 + place) * 100 + attempt)
    plan = PLAN_NAMES[place % len(PLAN_NAMES)]
    theme = _theme(dice, plan)
    traits = _traits(dice, plan, theme)
    stages = dice.pick((3, 3, 3, 2, 2, 1)) if place % 3 else 3
    form = ""
    if dice.chance(38):
        form = dice.pick([name for name, colours in FORMS.items() if colours[0] != traits.main])
    return Family(
        plan=plan, theme=theme, traits=traits, names=family_names(dice, THEMES[theme].roots, stages, taken), form=form
    )


def _theme(dice: Dice, plan: str) -> str:
    """Return an element, most often one that suits the plan."""
    return dice.pick(_LIKELY.get(plan, tuple(THEMES)) if dice.chance(80) else tuple(THEMES))


_LIKELY: Final[dict[str, tuple[str, ...]]] = {
    "fish": ("water", "water", "spark", "venom"),
    "crab": ("water", "stone", "metal", "fire"),
    "jelly": ("water", "dream", "star", "spark"),
    "turtle": ("water", "stone", "leaf", "fire"),
    "ghost": ("shadow", "frost", "dream", "star"),
    "golem": ("stone", "metal", "frost", "fire"),
    "bloom": ("leaf", "dream", "venom", "star"),
    "cap": ("leaf", "venom", "dream", "shadow"),
    "bird": ("wind", "fire", "star", "spark", "frost"),
    "bat": ("shadow", "wind", "venom", "fire"),
    "spider": ("venom", "shadow", "metal", "star"),
}


def members(family: Family, key: str, first: int) -> tuple[Creature, ...]:
    """Return the creatures of a family, stage by stage, recolours after their base form; numbers start at `first`."""
    dice = Dice(first * 7_919)
    stages = len(family.names)
    found: list[Creature] = []
    for stage, name in enumerate(family.names, start=1):
        growth = 1 if stages == 1 else (stage - 1) * 2 // (stages - 1)
        side, factor = dice.pick(_SIDES[growth])
        parts = _kept(family.traits, growth)
        number = first + stage - 1
        base = Creature(
            id=f"{number:04d}-{slug(name)}",
            number=number,
            name=name,
            form="",
            family=key,
            stage=stage,
            stages=stages,
            earlier=family.names[stage - 2] if stage > 1 else "",
            traits=replace(family.traits, parts=parts, growth=growth, side=side, factor=factor),
        )
        found.extend((base, recoloured(base, family.form)) if family.form else (base,))
    return tuple(found)


def _kept(traits: Traits, growth: int) -> tuple[Part, ...]:
    """Return the parts that a member has at a growth: the plan's own, and more of the others with every stage."""
    own = len(_own_parts(Dice(0), traits.plan, "", "", ""))
    free = traits.parts[own:]
    count = (min(len(free), 1), max(1, len(free) - 1), len(free))[growth]
    return traits.parts[:own] + free[:count]


def slug(name: str) -> str:
    """Return a name for a file: small letters, digits and hyphens.

    >>> slug("Old Zinnûl")
    'old-zinnul'
    """
    return fold(name).lower().replace(" ", "-")


def fold(name: str) -> str:
    """Return a name without its accents."""
    return name.translate(str.maketrans("éèêëáâàíîïóôöúûüç", "eeeeaaaiiiooouuuc"))


def recoloured(base: Creature, form: str) -> Creature:
    """Return the same drawing in the colours of a form."""
    main, second, accent = FORMS[form]
    old = base.traits

    belly = ("white" if second == "cream" else "cream") if old.belly else ""
    recolour = {"": "", old.main: main, old.second: second}
    eyes = (old.eye, "yellow", "blue", "green", "purple")
    eye = next(colour for colour in eyes if colour not in {main, second, accent, belly})
    traits = replace(
        old,
        main=main,
        second=second,
        belly=belly,
        eye=eye,
        marking_colour=recolour.get(old.marking_colour, accent),
        parts=tuple(replace(part, colour=recolour.get(part.colour, accent)) for part in old.parts),
    )
    return replace(base, id=f"{base.id}-{slug(form)}", form=form, traits=traits)
