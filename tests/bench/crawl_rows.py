"""The rows about crawling: pages read, what a crawl costs, and how little the next one asks for.

The wiki is served by this process, and each crawl runs in processes of its own, so that only the crawler is counted.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from pipeline.crawl.pages import parse_description, parse_list
from pipeline.crawl.readings import ListPage
from pipeline.crawl.source_files import wiki_source
from pipeline.records import Description
from pipeline.sample.skin import article, frame, heading, list_page
from pipeline.sample.wiki import SampleWiki, Served, load_wiki, sample_folder, serve_wiki
from tests.bench.one_crawl import Cost, Job, Way
from tests.bench.rows import Row, in_turn
from tests.bench.soups import Found, read_description, read_list
from tests.wikis import creature, png

SOURCE = wiki_source("sample")
START = SOURCE.start[0]
ROOT = Path(__file__).parents[2]
SMALL, LARGE = 100, 1000  # creatures, each with a page and a picture
RUNS = 3  # crawls of each size
PAGES = 40  # read in one run
TARGETS = {"html.parser": 20.0, "lxml": 1.0}  # for lxml no goal was set
_PORTLETS = ("personal", "namespaces", "variants", "views", "cactions", "navigation", "tb", "coll-print_export", "lang")


def rows() -> Iterator[Row]:
    """Yield the rows one after the other."""
    yield from reading_rows()
    yield from crawl_rows()


def reading_rows() -> Iterator[Row]:
    """Yield how fast lists and pages are read, against BeautifulSoup with either parser, on the same bodies."""
    wiki = load_wiki(sample_folder())
    described = [c for c in wiki.creatures.values() if c.text][:: len(wiki.creatures) // PAGES][:PAGES]
    pages = [frame(c.title, article(wiki, c), "/") for c in described]
    larger = [large_page(c.title, article(wiki, c)) for c in described]
    body = list_page(wiki)
    for parser in TARGETS:
        yield _list_row(f"crawl, the list read ({len(body) / 1000:.0f} kB)", parser, body)
        for bodies in (pages, larger):
            size = sum(map(len, bodies)) / len(bodies) / 1000
            yield _page_row(f"crawl, pages read ({size:.0f} kB)", parser, bodies)


def _page_row(name: str, parser: str, bodies: list[bytes]) -> Row:
    def usual() -> list[list[str]]:
        return [read_description(body, parser) for body in bodies]

    def ours() -> list[list[str]]:
        return [_paragraphs(body) for body in bodies]

    if usual() != ours():
        raise ValueError(f"{name}: BeautifulSoup ({parser}) reads other paragraphs than we do; one of both is wrong.")
    return _reading(name, "pages/s", parser, (usual, ours), len(bodies))


def _paragraphs(body: bytes) -> list[str]:
    read = parse_description(body, "", "en", SOURCE)
    return list(read.paragraphs) if isinstance(read, Description) else []


def _list_row(name: str, parser: str, body: bytes) -> Row:
    def usual() -> list[Found]:
        return read_list(body, START, parser)

    def ours() -> ListPage:
        return parse_list(body, START, SOURCE)

    same = [
        Found(one.number, one.name, one.form, one.group, one.pages[0].title, one.pages[0].url, one.miniature_url)
        for one in ours().listings
    ]
    found = [row._replace(family=row.family.lower().replace(" ", "-")) for row in usual()]
    if found != same:
        raise ValueError(f"{name}: BeautifulSoup ({parser}) reads another list than we do; one of both is wrong.")
    return _reading(name, "rows/s", parser, (usual, ours), len(found))


def _reading(
    name: str, unit: str, parser: str, ways: tuple[Callable[[], object], Callable[[], object]], amount: int
) -> Row:
    usual, ours = in_turn(*ways, amount)
    note = f"{1e6 / ours:,.0f} µs each"
    reference = f"BeautifulSoup, {parser}"
    target = TARGETS[parser]
    return Row(name=name, unit=unit, reference=reference, usual=usual, ours=ours, target=target, note=note)


def large_page(title: str, inside: str) -> bytes:
    """Return a page of about 40 kB: after the article tables of data, then the parser's report, scripts and menus."""
    moves = "\n".join(
        f'<tr><td>{level}</td><td><a href="/wiki/Move_{level}_(move)" title="Move {level} (move)">Move {level}</a></td>'
        f'<td style="background:#A8A878"><a href="/wiki/Normal_(type)" title="Normal (type)"><span style="color:#FFF">'
        f"Normal</span></a></td><td>{40 + level}</td><td>{100 - level}%</td></tr>"
        for level in range(1, 76)
    )
    table = f'<table class="roundy sortable"><tbody><tr><th>Level</th><th>Move</th></tr>\n{moves}\n</tbody></table>'
    trivia = "".join(f'<li>Note {n} on <a href="/wiki/Note_{n}" title="Note {n}">a note</a>.</li>' for n in range(40))
    report = "\n".join(f"Count number {n}: {n}/1000000" for n in range(30))
    whole = "\n".join(
        [
            inside,
            heading("Game data", 2, old=True),
            heading("Learnset", 3, old=True),
            table,
            heading("Trivia", 2, old=True),
            f"<ul>{trivia}</ul>",
            f"<!-- \nNewPP limit report\n{report}\n-->",
        ]
    )
    script = "<script>RLCONF={" + ",".join(f'"wgSetting{n}":["","value"]' for n in range(60)) + "};</script>"
    head = f'{script}\n<meta name="generator" content="MediaWiki 1.39.17"/>\n</head>'
    body = frame(title, whole, "/").replace(b"</head>", head.encode())
    return body.replace(b"</body>", _menus(title).encode() + b"\n</body>")


def _menus(title: str) -> str:
    items = "".join(
        f'<li id="n-{n}" class="mw-list-item"><a href="/wiki/Special:Page_{n}" title="Go to {n} [alt-{n}]">'
        f"<span>{title} {n}</span></a></li>"
        for n in range(9)
    )
    return "\n".join(
        f'<nav id="p-{name}" class="vector-menu mw-portlet mw-portlet-{name}" role="navigation"><h3 class="vector-menu-'
        f'heading"><span>{name}</span></h3>\n<div class="vector-menu-content"><ul>{items}</ul></div></nav>'
        for name in _PORTLETS
    )


def crawl_rows() -> Iterator[Row]:
    """Yield what whole crawls of the bestiary cost, with 200 and with 2,000 pages and pictures."""
    with tempfile.TemporaryDirectory() as folder:
        small = [_crawled("crawl", Path(folder) / f"small-{n}", SMALL) for n in range(RUNS)]
        with serve_wiki(_wiki(LARGE)) as served:
            plain = [_run(served, "plain", Path(folder)) for _ in range(RUNS)]
            root = Path(folder) / "raw"
            planned = _run(served, "plan", root)
            large = [_run(served, "crawl", Path(folder) / f"large-{n}") for n in range(1, RUNS)]
            large.append(_run(served, "crawl", root))
            again, by_category = _run(served, "crawl", root), _run(served, "category", root)
            served.wiki.replace_text("c7", "It has moved.")
            edited = _run(served, "crawl", root)
    yield _cpu_row(small, plain, large)
    yield _memory_row(small, large)
    full = large[-1].requests
    yield _asked_row("nothing changed", full, again, "")
    yield _asked_row("nothing changed, keys by category", full, by_category, "")
    yield _asked_row("one page edited", full, edited, f", {edited.fetched} body anew")
    expected = planned.requests + planned.predicted
    note = f"; {expected:,} expected in all, so {expected - full:+d}"
    yield _asked_row("dry run", full, planned, note)


def _wiki(count: int) -> SampleWiki:
    creatures = [creature(number) for number in range(1, count + 1)]
    return SampleWiki.of(creatures, {c.image: png(c.number, 16 + c.number // 256) for c in creatures})


def _crawled(way: Way, root: Path, count: int) -> Cost:
    with serve_wiki(_wiki(count)) as served:
        return _run(served, way, root)


def _run(served: Served, way: Way, root: Path) -> Cost:
    """Return what a crawl costs; RuntimeError when it counts other requests than the wiki received."""
    served.wiki.asked.clear()
    job = json.dumps(Job(way, str(root), served.url))
    command = [sys.executable, "-m", "tests.bench.one_crawl", job]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise RuntimeError(f"the crawl ({way}) ended with {done.returncode}: {done.stderr[-2000:]}")
    cost = Cost(*json.loads(done.stdout))
    if cost.requests != len(served.wiki.asked):
        raise RuntimeError(f"the crawl ({way}) says {cost.requests} requests, the wiki {len(served.wiki.asked)}.")
    return cost


def _cpu_row(small: list[Cost], plain: list[Cost], large: list[Cost]) -> Row:
    ours, usual = _median(large, "cpu"), _median(plain, "cpu")
    more = (ours - _median(small, "cpu")) / (large[0].requests - small[0].requests)
    seconds, slowly = _median(large, "seconds"), _median(plain, "seconds")
    note = f"{1000 * ours / large[0].requests:.2f} against {1000 * usual / plain[0].requests:.2f} ms of CPU each, "
    note += f"{1000 * more:.2f} without the start; by the clock {large[0].requests / seconds:.0f} against "
    return Row(
        name=f"crawl, {2 * LARGE:,} pages and pictures",
        unit="requests per CPU second",
        reference="requests + BeautifulSoup, reading as it goes; no manners, no keys",
        usual=plain[0].requests / usual,
        ours=large[0].requests / ours,
        target=1,
        note=f"{note}{plain[0].requests / slowly:.0f} requests/s",
    )


def _memory_row(small: list[Cost], large: list[Cost]) -> Row:
    """Return how much more memory ten times the pages take, as crawls that a GiB has room for."""
    few, many = _median(small, "peak"), _median(large, "peak")
    return Row(
        name="crawl, memory",
        unit="crawls in a GiB",
        reference=f"{2 * SMALL} pages and pictures, not {2 * LARGE:,}",
        usual=1024 / few,
        ours=1024 / many,
        target=0.9,
        note=f"{few:.1f} and {many:.1f} MiB at the highest: {many / few:.3f} times as much",
    )


def _asked_row(what: str, full: int, cost: Cost, note: str) -> Row:
    return Row(
        name=f"crawl, {what}",
        unit="per 1,000 requests",
        reference="a full crawl",
        usual=1000 / full,
        ours=1000 / cost.requests,
        target=50,
        note=f"{cost.requests:,} requests of {full:,}: {cost.requests / full:.2%}{note}",
    )


def _median(costs: list[Cost], field: str) -> float:
    return statistics.median(float(getattr(cost, field)) for cost in costs)
