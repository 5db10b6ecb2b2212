"""The words of the bestiary: a handful of phrasings for each fact, filled in by prose.py.

The word of a part (wings, horns, tail…) stands only in sentences about that part, so that a text has it exactly when
the picture has.
"""

from typing import Final

PLAN_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "blob": ("blob", "lump of slime"),
    "beast": ("four-legged beast", "beast on four legs"),
    "biped": ("creature on two legs", "two-legged creature"),
    "golem": ("golem of heavy blocks", "golem"),
    "turtle": ("turtle with a high shell", "turtle"),
    "snail": ("snail with a coiled shell", "snail"),
    "crab": ("crab with two round claws", "crab"),
    "bird": ("bird", "bird with a round body"),
    "bat": ("bat", "bat with a round body"),
    "moth": ("moth", "moth with a furry body"),
    "beetle": ("six-legged beetle", "beetle"),
    "spider": ("eight-legged spider", "spider"),
    "fish": ("fish", "fish with a strong body"),
    "serpent": ("serpent", "serpent without legs"),
    "jelly": ("jellyfish", "jellyfish that floats in the air"),
    "ghost": ("ghost", "ghost with a ragged hem"),
    "bloom": ("flower that walks", "flower with a face"),
    "cap": ("mushroom that walks", "mushroom with a face"),
}
"""What a body plan is called."""

SIZES: Final[tuple[tuple[int, str], ...]] = ((40, "tiny"), (52, "small"), (66, "middling"), (81, "large"), (96, "huge"))
"""Size words, each with the greatest longer side, in pixels, that it is said of."""

OPENINGS: Final = (
    "{name} is a {size} {main} {plan} that lives {haunt}, where its {main} colour can be made out from far away.",
    "{name}, a {size} {main} {plan}, makes its home {haunt} and leaves it only when food grows scarce.",
    "This {size} {main} {plan} is called {name} and is found {haunt}, most often alone or with one companion.",
    "A {size} {main} {plan}, {name} dwells {haunt}, and the people nearby have known it for generations.",
    "Whoever looks for {name} {haunt} should watch for a {size} {main} {plan} that keeps very still at first.",
)

FORM_LINES: Final = (
    "This is its {form}: the build is the same, but {main} has taken the place of its common colour.",
    "In the {form} the body turns {main}, as happens to those that grow up far from their own country.",
    "The {form} shows the same build in {main}, and is met much less often than the common one.",
)

PLAN_FACTS: Final[dict[str, tuple[str, ...]]] = {
    "blob": (
        "Its {main} body has no legs and slides along on a flat base.",
        "It has no legs: the whole {main} body creeps and wobbles.",
    ),
    "beast": (
        "It stands on four sturdy {main} legs and looks to the {facing}.",
        "Its four legs are {main}, and its nose points to the {facing}.",
    ),
    "biped": (
        "It stands upright on two {main} feet and lets two {main} arms hang.",
        "Two {main} legs and two {main} arms carry its {main} body.",
    ),
    "golem": (
        "Its blocky {main} body ends in two big {second} fists.",
        "Two {second} fists swing from the {main} arms, and a {second} crack runs down the chest.",
    ),
    "turtle": (
        "The high shell is {main}, while the head and the legs are {second}; it looks to the {facing}.",
        "Its {second} head and legs come out of a {main} shell and turn to the {facing}.",
    ),
    "snail": (
        "The coiled shell is {main}, the soft foot {second}, and it crawls to the {facing}.",
        "It carries a {main} shell on a {second} foot and looks to the {facing}.",
    ),
    "crab": (
        "Six {main} legs carry it, and both claws are {second}.",
        "It raises two {second} claws and walks on six {main} legs.",
    ),
    "bird": (
        "Its {main} body rests on two thin legs and faces {facing}, and the plumes at the rear are {second}.",
        "It stands on two legs and looks to the {facing}, with {second} plumes behind its {main} body.",
    ),
    "bat": (
        "The {main} body is round as a ball, with two little {second} feet below.",
        "Two small {second} feet dangle under its round {main} body.",
    ),
    "moth": (
        "Its {second} body is furry, and three short {main} legs show on either side.",
        "The furry {second} body has six short {main} legs.",
    ),
    "beetle": (
        "A {main} dome covers its back, and the head and the six legs are {second}.",
        "It has a {second} head and six {second} legs under a {main} dome.",
    ),
    "spider": (
        "Eight bent {second} legs spread from its round {main} body.",
        "It walks on eight {second} legs, with a ball of a {main} body in the middle.",
    ),
    "fish": (
        "Its {main} body has {second} fins and swims to the {facing}.",
        "The fins are {second}, the body is {main}, and it swims to the {facing}.",
    ),
    "serpent": (
        "Its long {main} body lies in coils, has no legs and looks to the {facing}.",
        "It has no legs; the {main} coils rise to a head that looks to the {facing}.",
    ),
    "jelly": (
        "Its {main} bell has a {second} rim and floats without a sound.",
        "A {second} rim runs around the {main} bell.",
    ),
    "ghost": (
        "Its {main} shroud hangs in rags, with two short {main} arms and no legs.",
        "It has two {main} arms and no legs, only a ragged {main} hem.",
    ),
    "bloom": (
        "A round {main} face sits on a {main} stem with a bulb for a foot.",
        "Its face, stem and bulb are {main}, and it hops about on the bulb.",
    ),
    "cap": (
        "A wide {main} cap sits on a {second} stem with two {second} feet.",
        "Its cap is {main}; the stem and the two feet are {second}.",
    ),
}
"""Sentences about a body plan."""

PLAN_ENDS: Final = (
    ", just as in all its close relatives",
    ", which suits its way of life very well",
    ", and it moves with more skill than one would think",
    ", and with age this changes very little",
)
"""What a sentence of `PLAN_FACTS` may end with."""

BELLIES: Final = (
    "Its belly is {belly} and rather soft.",
    "The belly shows a large {belly} patch.",
    "Seen from below, the belly is {belly}.",
)

MARKINGS: Final[dict[str, tuple[str, ...]]] = {
    "spots": ("Spots of {colour} are scattered over its body in no order.", "Its body is dotted with {colour} spots."),
    "stripes": ("Stripes of {colour} run over its sides.", "Its sides carry {colour} stripes that never fade."),
    "band": ("A {colour} band goes around its middle.", "It wears a {colour} band around the middle."),
    "socks": ("Its feet look as if it wore {colour} socks.", "It seems to walk in {colour} socks."),
    "saddle": ("A {colour} saddle lies over its back.", "Its back bears a {colour} saddle."),
    "mask": ("A {colour} mask surrounds its eyes.", "Around the eyes it has a {colour} mask."),
}
"""Sentences about a marking."""

EYES: Final = (
    "Its {style} eyes are {eye}{mouth}, {end}.",
    "It looks at the world with {style} {eye} eyes{mouth}, {end}.",
    "The face shows {style} {eye} eyes{mouth}, {end}.",
)
"""Sentences about the face; the style of the eyes is their word."""

EYE_ENDS: Final[dict[str, tuple[str, ...]]] = {
    "round": ("which gives it a look of lasting surprise", "as if it saw everything for the first time"),
    "bright": ("which shine whenever something catches its interest", "and nothing that moves escapes it"),
    "stern": ("which makes it look angrier than it is", "so that few dare to come near it unasked"),
    "drowsy": ("as if it had only just woken up", "so that one never knows whether it is asleep"),
}

MOUTHS: Final[dict[str, str]] = {
    "smile": " above a smile", "line": " above a straight mouth", "fangs": " above two white fangs",
    "open": " above an open mouth", "none": "",
}  # fmt: skip

TAIL_WORDS: Final[dict[str, str]] = {
    "thin": "a thin {colour} tail", "bushy": "a bushy {colour} tail", "curled": "a curled {colour} tail",
    "burning": "a tail that burns {colour} at the tip", "leafy": "a tail that ends in a {colour} leaf",
    "forked": "a tail with a {colour} fork", "clubbed": "a tail with a {colour} ball at the tip",
}  # fmt: skip

PART_WORDS: Final[dict[str, str]] = {
    "ears": "two {style} {colour} ears",
    "antennae": "two {colour} antennae",
    "crest": "a jagged {colour} crest",
    "sprout": "a {colour} sprout on its head",
    "flame": "a {colour} flame on its head",
    "spikes": "a row of {colour} spikes",
    "crystals": "sharp {colour} crystals",
    "sail": "a tall {colour} sail",
    "mane": "a thick {colour} mane",
    "tusks": "two {colour} tusks",
    "beak": "a {colour} beak",
    "tentacles": "{count} {colour} tentacles",
    "petals": "{count} {colour} petals",
    "leaves": "two {colour} leaves",
}
"""What a part is called; wings, horns and tails have their own rules."""

PART_LINES: Final = (
    "It has {parts}, and it spends much of its free time keeping itself clean.",
    "One knows it at once by {parts}, since no other creature of the region looks like that.",
    "What sets it apart from others is {parts}, as every child in the villages around can tell.",
    "Those who draw it never leave out {parts}, for otherwise nobody would recognise it.",
)

HABITS: Final[tuple[tuple[str, ...], ...]] = (
    (
        "It feeds on {food} and comes out {hour}, always by the same way and never in a hurry.",
        "Most of all it likes {food}, which it seeks {hour} and carries home to eat in peace.",
        "It can be met {hour}, when it looks for {food} and forgets everything else around it.",
    ),
    (
        "By nature it is {temper}, and whoever treats it well has a friend for many years.",
        "People say that it is {temper}, though it takes a while before it shows this to strangers.",
        "Those who have kept one describe it as {temper}, above all when it meets others of its kind.",
    ),
    (
        "When it is in danger or wants to impress its rivals, it can {gift}.",
        "It is known to {gift}, a gift that it learns early and practises almost every day.",
        "Some have seen it {gift}, and nobody has yet found out how it manages to do so.",
    ),
)

GROWTH_FIRST: Final = (
    "It is still young, follows its parents everywhere and will change its shape when it has grown enough.",
    "As the youngest of its family it seldom strays from home and has yet to reach its full strength.",
    "This is the youngest stage of its kind, and it spends its time with games and with learning to hunt.",
)
GROWTH_LATER: Final = (
    "It grows out of {earlier}, from which it has kept its colours, and is a good deal stronger.",
    "Before it took this shape it was called {earlier}, and the colours are still the same.",
    "After a long rest in a hidden place, {earlier} wakes up changed and becomes this creature.",
)
GROWTH_ONLY: Final = (
    "It never changes its shape, from the day it hatches to the end of its long life.",
    "It is the only stage of its family, and the young look just like their parents.",
    "It has no younger or older stage, which has puzzled scholars for a very long time.",
)

EXTRAS: Final = (
    "In bad weather it looks for shelter {haunt2}, where it stays half asleep until the sky has cleared again.",
    "If somebody gives it {food2}, it will follow this stranger for the rest of the day and not ask for more.",
    "Those who want to see it should also wait {hour2}, make no noise at all and bring a great deal of patience.",
    "Old stories tell that it can even {gift2}, but that it does so only for a friend in great need.",
    "It shares its home with a few others of its kind, and together they also search for {food2}.",
    "Travellers who lose their way {haunt2} are glad when they meet one, since it always knows a safe path.",
)
"""Sentences for a text that is short of words; they use the second choice of each habit."""

COUNTS: Final = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 8: "eight"}
