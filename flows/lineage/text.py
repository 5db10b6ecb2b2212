"""A lineage as text: a tree for a terminal, and Mermaid for Markdown. Nothing in it is cut, nothing is obeyed."""

from collections.abc import Callable

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from flows.lineage.graph import Graph, Link, State, Thing

SIGNS: dict[State, str] = {"verified": "✓", "stated": "·", "missing": "?", "broken": "✗"}
STYLES: dict[State, str] = {"verified": "green", "stated": "", "missing": "yellow", "broken": "bold red"}
LEGEND = "✓ verified: the digest is the same   · stated, nothing to compare by   ? not here   ✗ broken"
SHOWN = 20  # things made of one thing that a person is shown


def tree(graph: Graph) -> Group:
    """Return both trees: where the subject comes from, and what was made of it."""
    subject = graph.things[graph.subject]
    back = Tree(_named(subject).append("  comes from" if graph.back(subject.key) else "", style="dim"))
    _grow(back, graph, subject, {subject.key}, up=True)
    parts: list[Tree | Text] = [back]
    if graph.on(subject.key):
        on = Tree(Text("of it was made", style="dim"))
        _grow(on, graph, subject, {subject.key}, up=False)
        parts.append(on)
    return Group(*parts, Text(LEGEND, style="dim"))


def _grow(node: Tree, graph: Graph, thing: Thing, shown: set[str], *, up: bool) -> None:
    """Add what a thing was made of, or what was made of it."""
    if up or thing.key != graph.subject:
        for fact in _facts(thing):
            node.add(fact)
    links = graph.back(thing.key) if up else graph.on(thing.key)
    for link in links[:SHOWN]:
        other = graph.things[link.older if up else link.newer]
        branch = node.add(_link_line(link, other, up=up))
        if other.key in shown:
            branch.add(Text("(told above)", style="dim"))
        elif link.whole:
            shown.add(other.key)
            _grow(branch, graph, other, shown, up=up)
    more = len(links) - SHOWN + graph.left_out.get(thing.key, 0)
    if more > 0:
        node.add(Text(f"… and {more:,} more: --json names them", style="dim"))


def _link_line(link: Link, other: Thing, *, up: bool) -> Text:
    line = Text(f"{SIGNS[link.state]} ", style=STYLES[link.state])
    line.append(f"{link.how} " if up else "")
    line.append(_named(other))
    return line.append(f"  {plain(link.why)}", style="dim" if link.state in {"verified", "stated"} else "")


def _named(thing: Thing) -> Text:
    return Text(f"{thing.kind} ").append(plain(thing.name), style="bold")


def _facts(thing: Thing) -> list[Text]:
    lines = []
    if thing.facts:
        told = ", ".join(f"{name} {value}" for name, value in thing.facts)
        lines.append(Text(plain(told), style="dim"))
    if thing.place:
        lines.append(Text(plain(thing.place), style="dim"))
    if thing.fault:
        lines.append(Text(f"✗ {plain(thing.fault)}", style="bold red"))
    return lines


def plain(text: str) -> str:
    """Return a text that may come from outside without what a terminal would obey."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def mermaid(graph: Graph) -> str:
    """Return the graph as Mermaid, from the site on the left to champions on the right."""
    keys = drawn_keys(graph)
    numbers = {key: f"n{place}" for place, key in enumerate(keys)}
    lines = ["flowchart LR"]
    for key, number in numbers.items():
        thing = graph.things[key]
        lines.append(f'  {number}["{_quoted(thing.kind)}<br/>{_quoted(thing.name)}"]')
    arrows: dict[State, str] = {"verified": "-->", "stated": "-->", "missing": "-.->", "broken": "-. broken .->"}
    drawn = [link for link in graph.links if link.older in numbers and link.newer in numbers]
    lines += [f"  {numbers[link.older]} {arrows[link.state]} {numbers[link.newer]}" for link in drawn]
    lines.append(f"  style {numbers[graph.subject]} stroke-width:3px")
    broken = [number for key, number in numbers.items() if graph.things[key].fault]
    lines += [f"  style {number} stroke:#c00" for number in broken]
    return "\n".join(lines) + "\n"


def drawn_keys(graph: Graph, most: int = 60) -> list[str]:
    """Return the things that a picture shows: all, or the nearest to the subject, breadth first."""
    found, at = {graph.subject: None}, [graph.subject]
    steps: list[Callable[[str], list[str]]] = [
        lambda key: [link.older for link in graph.back(key)],
        lambda key: [link.newer for link in graph.on(key)],
    ]
    while at and len(found) < most:
        near = [other for key in at for step in steps for other in step(key)[:SHOWN] if other not in found]
        at = list(dict.fromkeys(near))[: most - len(found)]
        found |= dict.fromkeys(at)
    return list(found)


def _quoted(text: str) -> str:
    return plain(text).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
