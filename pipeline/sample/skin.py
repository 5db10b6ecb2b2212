"""The HTML of the bestiary's pages, shaped like the wikis it stands for, and pleasant to read in a browser."""

from html import escape
from itertools import groupby

from pipeline.sample.state import CATEGORY_TITLE, HOST, LIST_TITLE, Creature, SampleWiki, page_path

STYLE = """
:root { color-scheme: light; --ink: #2b2440; --paper: #fbf6ea; --line: #d9cdb4; --accent: #7a3b69; }
* { box-sizing: border-box; }
body { margin: 0; font: 17px/1.6 Georgia, 'Iowan Old Style', serif; color: var(--ink); background: #efe6d2; }
header { padding: 1.1rem 1.5rem; background: var(--ink); color: #fbf6ea; }
header a { color: inherit; text-decoration: none; font-size: 1.2rem; letter-spacing: .06em; }
header small { opacity: .75; margin-left: .8rem; }
main { max-width: 58rem; margin: 1.5rem auto; padding: 1.2rem 2rem 2rem; background: var(--paper);
  border: 1px solid var(--line); border-radius: 10px; }
h1 { margin: .2rem 0 1rem; font-weight: normal; border-bottom: 1px solid var(--line); }
h2 { margin: 1.6rem 0 .4rem; font-weight: normal; color: var(--accent); }
h3 { margin: 1rem 0 .2rem; font-size: 1rem; }
a { color: #8a2f5c; }
a:focus-visible { outline: 3px solid #e0a23c; outline-offset: 2px; }
img { image-rendering: pixelated; object-fit: contain; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; font-size: .95rem; }
th, td { padding: .35rem .6rem; border: 1px solid var(--line); text-align: left; }
th { background: #eadfc6; }
td img { width: 64px; height: 64px; display: block; }
.fiche { float: right; width: 15rem; margin: 0 0 1rem 1.5rem; background: #fffdf6; }
.fiche img { width: 192px; height: 192px; margin: auto; }
figure { float: left; margin: .4rem 1.2rem .4rem 0; font-size: .8rem; text-align: center; }
figure img { width: 96px; height: 96px; display: block; }
.scroll { overflow-x: auto; }
footer { max-width: 58rem; margin: 0 auto 2rem; padding: 0 2rem; font-size: .85rem; opacity: .75; }
@media (max-width: 40rem) {
  main { margin: 0; border-radius: 0; padding: 1rem; }
  .fiche { float: none; margin: 0 0 1rem; }
}
"""


def frame(title: str, inside: str, path: str) -> bytes:
    """Return a whole page around the body `inside`."""
    return f"""<!DOCTYPE html>
<html lang="en" dir="ltr">
<head>
<meta charset="UTF-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} – The bestiary</title>
<link rel="canonical" href="{HOST}{path}">
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="data:,">
</head>
<body>
<header><a href="/">The bestiary</a><small>a small museum of invented creatures</small></header>
<main id="content" class="mw-body">
<h1 id="firstHeading">{escape(title)}</h1>
<div id="mw-content-text"><div class="mw-parser-output">
{inside}
</div></div>
</main>
<footer>Drawn and written for PixelBytes. Everything here is free to use (CC0).</footer>
</body>
</html>
""".encode()


def front_page(wiki: SampleWiki) -> bytes:
    """Return the page at the root."""
    species = len({creature.number for creature in wiki.creatures.values()})
    inside = f"""<p>Welcome to the bestiary: {species} creatures that live nowhere else.</p>
<p><a href="{page_path(LIST_TITLE)}">Walk through the list of creatures</a>, from first number to last.</p>"""
    return frame("The bestiary", inside, "/")


def list_page(wiki: SampleWiki) -> bytes:
    """Return the page of the list."""
    return frame(LIST_TITLE, list_article(wiki), page_path(LIST_TITLE))


def category_page(wiki: SampleWiki) -> bytes:
    """Return the page of the category that all articles about creatures are in."""
    links = "\n".join(f'<li><a href="{page_path(title)}">{escape(title)}</a></li>' for title in wiki.members())
    inside = f'<div id="mw-pages"><p>All creatures of the bestiary, by name.</p>\n<ul>\n{links}\n</ul></div>'
    return frame(CATEGORY_TITLE, inside, page_path(CATEGORY_TITLE))


def list_article(wiki: SampleWiki) -> str:
    """Return the inside of the list: a summary as decoy, then the table of creatures with forms as further rows."""
    rows = []
    for number, forms in groupby(wiki.creatures.values(), key=lambda creature: creature.number):
        members = list(forms)
        first = f'<td rowspan="{len(members)}">{number:04d}</td>'
        rows += [_row(creature, first if place == 0 else "") for place, creature in enumerate(members)]
    body = "\n".join(rows)
    return f"""<p>This page lists all creatures of the bestiary, by number.</p>
<table class="tableaustandard"><tbody><tr><td>Summary</td><td><a href="#Creatures">Creatures</a></td>
<td>{len(wiki.creatures)}</td></tr></tbody></table>
<h2><span class="mw-headline" id="Creatures">Creatures</span></h2>
<div class="scroll"><table class="tableaustandard sortable entetefixe"><tbody>
<tr><th>Number</th><th>Miniature</th><th>Name</th><th>English name</th><th>Family</th><th>Stage</th></tr>
{body}
</tbody></table></div>"""


def _row(creature: Creature, first: str) -> str:
    name, title, path = escape(creature.name), escape(creature.title), page_path(creature.title)
    small = f"<br><small>{escape(creature.form)}</small>" if creature.form else ""
    anchor = "" if creature.form else f' id="{escape(creature.name.replace(" ", "_"))}"'
    return f"""<tr>{first}
<td><span class="mw-default-size notpageimage miniature" typeof="mw:File"><a href="{path}"
 title="{creature.number:04d}"><img alt="{creature.number:04d}" src="{escape(creature.image_path)}" decoding="async"
 width="64" height="64"></a></span></td>
<td{anchor}><a href="{path}" title="{title}">{name}</a>{small}</td>
<td><a href="{path}" class="extiw" title="en:{title}">{name}</a></td>
<td>{escape(creature.family)}</td><td>{escape(str(creature.stage))}</td></tr>"""


def article(wiki: SampleWiki, creature: Creature) -> str:
    """Return the inside of a creature's page, as `action=parse` gives it: decoys around the section that counts."""
    old = wiki.heading == "old" or (wiki.heading == "both" and creature.number % 2 == 0)
    paragraphs = [part.strip() for part in creature.text.split("\n\n") if part.strip()]
    biology = _biology(creature, paragraphs, old=old)
    name = escape(creature.name + (f" ({creature.form})" if creature.form else ""))
    others = wiki.relatives.get(creature.id, ())
    links = ", ".join(f'<a href="{page_path(t)}">{escape(t)}</a>' for t in others) or "none that is known"
    return f"""<table class="tableaustandard fiche"><tbody>
<tr><th colspan="2">{name}</th></tr>
<tr><td colspan="2"><img alt="{name}" src="{escape(creature.image_path)}" width="192" height="192"></td></tr>
<tr><th>Number</th><td>{creature.number:04d}</td></tr>
<tr><th>Family</th><td>{escape(creature.family)}</td></tr>
<tr><th>Stage</th><td>{escape(str(creature.stage))}</td></tr></tbody></table>
<p><b>{name}</b> is number {creature.number:04d} of the bestiary.</p>
{biology}
{heading("Relations", 2, old=old)}
<p>Of the same family: {links}.</p>
{heading("References", 2, old=old)}
<ol class="references"><li id="cite_note-1"><a href="#cite_ref-1">↑</a> The keeper's notebook.</li></ol>"""


def _biology(creature: Creature, paragraphs: list[str], *, old: bool) -> str:
    """Return the describing section, with a figure, a footnote mark, hard spaces and a heading of lower rank inside."""
    mark = '<sup id="cite_ref-1" class="reference"><a href="#cite_note-1">[1]</a></sup>'
    blocks = [f"<p>{escape(text)}{mark if place == 0 else ''}</p>" for place, text in enumerate(paragraphs)]
    if len(blocks) > 1:
        blocks.insert(len(blocks) - 1, heading("Habits", 3, old=old))
    figure = f"""<figure class="mw-halign-left" typeof="mw:File/Thumb"><a href="{page_path(creature.title)}"><img alt=""
 src="{escape(creature.image_path)}" width="96" height="96"></a>
<figcaption>{escape(creature.name)} at rest</figcaption></figure>"""
    return "\n".join([heading("Biology", 2, old=old), figure, *blocks])


def heading(text: str, rank: int, *, old: bool) -> str:
    """Return a heading as wikis wrote it until MediaWiki 1.43 (`old`), or as they do since."""
    anchor = text.replace(" ", "_")
    if old:
        return f'<h{rank}><span class="mw-headline" id="{anchor}">{text}</span></h{rank}>'
    return f'<div class="mw-heading mw-heading{rank}"><h{rank} id="{anchor}">{text}</h{rank}></div>'
