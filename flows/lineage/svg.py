"""A lineage as a small picture: columns from the site to the champion, plain SVG, nothing fetched."""

from collections.abc import Sequence

from markupsafe import Markup

from flows.lineage.graph import Graph, Kind, Link, State, Thing
from flows.lineage.text import drawn_keys, plain

#: Columns of the picture; a thing stands at least one to the right of what it was made of.
_ORDER: dict[Kind, int] = {
    "source": 0, "crawl": 1, "build": 2, "release": 2, "run": 3, "checkpoint": 4, "decision": 5, "model": 6,
}  # fmt: skip
BOX, TALL, GAP_X, GAP_Y, EDGE = 236, 62, 64, 18, 16  # px: a box, the room between boxes, the rim
LETTERS = 32  # of a name's line; longer ones go on in the next
FACTS = {"release": "digest", "crawl": "sha256", "run": "validation", "model": "weights", "decision": "outcome"}
COLOURS: dict[State, str] = {"verified": "#2e7d32", "stated": "#777", "missing": "#b26a00", "broken": "#c62828"}
DASHES: dict[State, str] = {"verified": "", "stated": "", "missing": "6 4", "broken": "2 3"}
STYLE = Markup(
    "text{font:13px ui-sans-serif,system-ui,sans-serif;fill:#222}.kind{font-size:11px;fill:#666}"
    ".fact{font-size:11px;fill:#666}.box{fill:#fff;stroke:#bbb}.asked{stroke:#111;stroke-width:2.5}"
    ".gone{fill:#fafafa;stroke-dasharray:5 4}.fault{stroke:#c62828;stroke-width:2.5}"
)
Place = tuple[int, int]


def svg(graph: Graph) -> str:
    """Return the picture as an SVG file."""
    keys = drawn_keys(graph)
    columns = _columns([graph.things[key] for key in keys])
    places = _places(columns)
    wide = 2 * EDGE + len(columns) * BOX + (len(columns) - 1) * GAP_X
    tall = 2 * EDGE + max(len(column) for column in columns) * (TALL + GAP_Y) + 24
    body = [_line(link, places) for link in _drawn(graph, places)]
    body += [_box(graph.things[key], places[key], asked=key == graph.subject) for key in keys]
    body.append(_legend(tall - 10))
    left_out = len(graph.things) - len(keys)
    if left_out:
        body.append(Markup('<text class="fact" x="{}" y="{}">{} more are not drawn</text>').format(
            wide - 160, tall - 10, left_out))  # fmt: skip
    head = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" width="{}" height="{}" role="img" '
        'aria-label="Lineage of {}">'
    ).format(wide, tall, wide, tall, plain(graph.subject))
    page = Markup('<rect width="100%" height="100%" fill="#fcfcfc"/>')
    return str(head + Markup("<style>{}</style>").format(STYLE) + page + Markup("").join(body)) + "</svg>\n"


def _drawn(graph: Graph, places: dict[str, Place]) -> list[Link]:
    """Return the links that a picture needs: what others lead to as well, step by step, is told by those."""
    every = [link for link in graph.links if link.older in places and link.newer in places]
    near = {key: {link.older for link in every if link.newer == key} for key in places}

    def leads(older: str, newer: str) -> bool:
        """Tell whether a way of two steps or more leads from the one to the other."""
        at, seen = set(near[newer]) - {older}, set[str]()
        while at:
            seen |= at
            at = {other for key in at for other in near[key]} - seen
        return older in seen

    plain_ones = {"verified", "stated"}
    return [link for link in every if link.state not in plain_ones or not leads(link.older, link.newer)]


def _columns(things: Sequence[Thing]) -> list[list[Thing]]:
    """Return the things by column, from left to right; columns that nothing stands in are left out."""
    numbers = sorted({_ORDER[thing.kind] for thing in things})
    return [[thing for thing in things if _ORDER[thing.kind] == number] for number in numbers]


def _places(columns: Sequence[Sequence[Thing]]) -> dict[str, Place]:
    """Return the upper left corner of each box; short columns stand in the middle."""
    most = max(len(column) for column in columns)
    found = {}
    for x, column in enumerate(columns):
        top = EDGE + (most - len(column)) * (TALL + GAP_Y) // 2
        for y, thing in enumerate(column):
            found[thing.key] = (EDGE + x * (BOX + GAP_X), top + y * (TALL + GAP_Y))
    return found


def _line(link: Link, places: dict[str, Place]) -> Markup:
    (x1, y1), (x2, y2) = places[link.older], places[link.newer]
    if x1 == x2:  # one version after another
        start, end, bend = (x1, y1 + TALL // 2), (x2, y2 + TALL // 2), -GAP_X // 2
        path = f"M{start[0]},{start[1]} C{start[0] + bend},{start[1]} {end[0] + bend},{end[1]} {end[0]},{end[1]}"
    else:
        start, end = (x1 + BOX, y1 + TALL // 2), (x2, y2 + TALL // 2)
        half = (start[0] + end[0]) // 2
        over = min(start[1], end[1]) - TALL if x2 - x1 > BOX + GAP_X else 0  # past the boxes in between
        path = f"M{start[0]},{start[1]} C{half},{over or start[1]} {half},{over or end[1]} {end[0]},{end[1]}"
    told = plain(f"{link.how}: {link.state}. {link.why}")
    return Markup(
        '<path d="{}" fill="none" stroke="{}" stroke-width="1.6" stroke-dasharray="{}"><title>{}</title></path>'
    ).format(path, COLOURS[link.state], DASHES[link.state], told)


def _box(thing: Thing, place: Place, *, asked: bool) -> Markup:
    x, y = place
    kinds = ["box", *(["asked"] if asked else []), *(["gone"] if _is_gone(thing) else [])]
    kinds += ["fault"] if thing.fault else []
    rows = _rows(plain(thing.name))
    body = [
        Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="7"/>').format(
            " ".join(kinds), x, y, BOX, TALL
        )
    ]
    told = dict(thing.facts).get(FACTS.get(thing.kind, ""), "")
    label = f"{thing.kind} {plain(told)}" if told else thing.kind
    label += ", not here" if _is_gone(thing) else ""
    body.append(Markup('<text class="kind" x="{}" y="{}">{}</text>').format(x + 10, y + 17, label))
    body += [
        Markup('<text x="{}" y="{}">{}</text>').format(x + 10, y + 35 + 16 * row, text) for row, text in enumerate(rows)
    ]
    told = "\n".join(map(plain, [thing.name, *(f"{name}: {value}" for name, value in thing.facts), thing.fault]))
    title = Markup("<title>{}</title>").format(told.strip())
    return Markup("<g>") + title + Markup("").join(body) + Markup("</g>")


def _is_gone(thing: Thing) -> bool:
    return not thing.place and thing.kind != "source"


def _rows(name: str) -> list[str]:
    """Return a name in two lines at most, broken where a word ends; its middle is left out when it is longer still."""
    if len(name) <= LETTERS:
        return [name]
    end = max(name.rfind(sign, LETTERS // 2, LETTERS) for sign in " -/@")
    end = end + 1 if end > 0 else LETTERS
    first, rest = name[:end], name[end:]
    half = LETTERS // 2
    return [first, rest if len(rest) <= LETTERS else f"{rest[: half - 1]}…{rest[-half:]}"]


def _legend(y: int) -> Markup:
    line = Markup('<line x1="{}" x2="{}" y1="{}" y2="{}" stroke="{}" stroke-width="2" stroke-dasharray="{}"/>')
    name = Markup('<text class="fact" x="{}" y="{}">{}</text>')
    parts = []
    for place, (state, colour) in enumerate(COLOURS.items()):
        x = EDGE + 100 * place
        parts += [line.format(x, x + 26, y - 4, y - 4, colour, DASHES[state]), name.format(x + 32, y, state)]
    return Markup("").join(parts)
