"""Traits to a text: two or three paragraphs that tell what is drawn, with habits in between."""

from typing import Final

from pipeline.sample import phrases as p
from pipeline.sample.themes import THEMES
from pipeline.sample.traits import Creature, Dice, Part

LEAST, MOST = 850, 1200
"""Bounds of a text, in characters."""

_SENTENCES: Final = 10  # at most
_ENOUGH: Final = 1_010  # characters, where extras stop


def size_word(pixels: int) -> str:
    """Return the word for a sprite whose opaque box is `pixels` on the longer side."""
    for greatest, word in p.SIZES:
        if pixels <= greatest:
            return word
    raise ValueError(f"a sprite of {pixels} px has no size word: keep it within {p.SIZES[-1][0]} px.")


def part_words(part: Part) -> str:
    """Return what a part is called, with its colour and number."""
    count = p.COUNTS[part.count]
    if part.kind == "wings":
        return f"{count} {part.style} {part.colour} wings"
    if part.kind == "horns":
        return (
            f"{'a single' if part.count == 1 else count} {part.style} {part.colour} horn{'s' if part.count > 1 else ''}"
        )
    words = p.TAIL_WORDS[part.style] if part.kind == "tail" else p.PART_WORDS[part.kind]
    return words.format(count=count, colour=part.colour, style=part.style)


def describe(creature: Creature, pixels: int) -> str:
    """Return the text of a creature: 6 to 10 sentences, 850 to 1,200 characters, paragraphs apart by a blank line.

    `pixels` is the longer side of its sprite's opaque box. What is drawn comes first in each paragraph.
    """
    dice = Dice(sum(place * ord(letter) for place, letter in enumerate(creature.id, start=1)) + creature.number * 1_009)
    facts = _facts(creature)
    look = {"name": creature.name, "size": size_word(pixels), "plan": dice.pick(p.PLAN_WORDS[creature.traits.plan])}
    first = [_article(dice.pick(p.OPENINGS).format(**facts, **look)), *_body(creature, dice, facts)]
    second = _details(creature, dice)
    third = [dice.pick(lines).format(**facts) for lines in dice.shuffled(p.HABITS)]
    third.insert(1, _growth(creature, dice))
    return _fitted((first, second, third), [line.format(**facts) for line in dice.shuffled(p.EXTRAS)])


def _facts(creature: Creature) -> dict[str, str]:
    """Return the words that fill the phrases; habits are chosen once per species, so that its forms share them."""
    t, dice = creature.traits, Dice(creature.number * 6_151)
    theme = THEMES[t.theme]
    facts = {key: getattr(t, key) for key in ("main", "second", "belly", "eye", "facing")}
    facts |= {"form": creature.form, "temper": dice.pick(theme.tempers)}
    habits = {"haunt": theme.haunts, "food": theme.foods, "hour": theme.hours, "gift": theme.gifts}
    for kind, choices in habits.items():
        facts[kind], facts[f"{kind}2"] = dice.shuffled(choices)[:2]
    return facts


def _body(creature: Creature, dice: Dice, facts: dict[str, str]) -> list[str]:
    """Return the sentences about form, body, belly and marking."""
    t = creature.traits
    lines = [dice.pick(p.PLAN_FACTS[t.plan]).format(**facts)[:-1] + dice.pick(p.PLAN_ENDS) + "."]
    if creature.form:
        lines.append(dice.pick(p.FORM_LINES).format(**facts))
    marking = dice.pick(p.MARKINGS[t.marking]).format(colour=t.marking_colour) if t.marking else ""
    belly = dice.pick(p.BELLIES).format(**facts) if t.belly else ""
    if marking and belly:
        lines.append(f"{belly[:-1]}, and {marking[0].lower()}{marking[1:]}")
    elif marking or belly:
        lines.append(marking or belly)
    return lines


def _details(creature: Creature, dice: Dice) -> list[str]:
    """Return the sentences about parts and face."""
    t = creature.traits
    words = [_article_of(part_words(part)) for part in t.parts]
    lines = [dice.pick(p.PART_LINES).format(parts=_listed(words))] if words else []
    mouth = p.MOUTHS[t.mouth] if t.plan not in {"bird", "beetle"} else ""
    end = dice.pick(p.EYE_ENDS[t.eye_style])
    lines.append(dice.pick(p.EYES).format(style=t.eye_style, eye=t.eye, mouth=mouth, end=end))
    return lines


def _growth(creature: Creature, dice: Dice) -> str:
    """Return the sentence about the stage."""
    if creature.stages == 1:
        return dice.pick(p.GROWTH_ONLY)
    return dice.pick(p.GROWTH_LATER if creature.earlier else p.GROWTH_FIRST).format(earlier=creature.earlier)


def _listed(words: list[str]) -> str:
    """Join words with commas and a final and."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _article_of(words: str) -> str:
    """Put `an` before a vowel at the start of a noun phrase."""
    return f"an{words[1:]}" if words.startswith("a ") and words[2] in "aeiou" else words


def _article(sentence: str) -> str:
    """Put `an` before every vowel that follows the article `a`."""
    words = sentence.split(" ")
    pairs = zip(words, [*words[1:], ""], strict=True)
    return " ".join(
        f"{word}n" if word in {"a", "A"} and after[:1] in "aeiou" and after else word for word, after in pairs
    )


def _fitted(paragraphs: tuple[list[str], ...], extras: list[str]) -> str:
    """Add extras, in turn to the paragraphs, until the text is long enough; never more than ten sentences."""
    found = [[_article(line) for line in lines] for lines in paragraphs]
    for place, extra in enumerate(extras):
        text = "\n\n".join(" ".join(lines) for lines in found)
        if len(text) >= _ENOUGH or sum(len(lines) for lines in found) >= _SENTENCES:
            break
        found[(1, 0, 2)[place % 3]].append(extra)
    return "\n\n".join(" ".join(lines) for lines in found)
