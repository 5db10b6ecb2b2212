"""The usual way of reading pages and of crawling, written here: BeautifulSoup, and a session that asks and waits."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import requests
from bs4 import BeautifulSoup
from bs4.element import Tag

_TABLE = {"tableaustandard", "sortable", "entetefixe"}


class Found(NamedTuple):
    """What one row of the list says: all that a record needs of it."""

    number: int
    name: str
    form: str
    family: str
    title: str
    page: str
    picture: str


def read_list(body: bytes, url: str, parser: str) -> list[Found]:
    """Return the rows of the bestiary's list; forms stand under a number that spans several rows."""
    found: list[Found] = []
    number = 0
    for table in BeautifulSoup(body, parser).find_all("table"):
        if not _TABLE.issubset(_classes(table)):
            continue
        for row in table.find_all("tr"):
            cells = row.find_all("td")
            if not cells:
                continue
            if cells[0].find("img") is None:
                number = int(cells.pop(0).get_text())
            found.append(_found(number, cells, url))
    return found


def _found(number: int, cells: list[Tag], url: str) -> Found:
    image, link, small = cells[0].find("img"), cells[1].find("a"), cells[1].find("small")
    if image is None or link is None:
        raise ValueError(f"row {number} of the list has no picture or no link: the bestiary changed, mend this reader.")
    return Found(
        number=number,
        name=_words(link),
        form=_words(small) if small is not None else "",
        family=_words(cells[3]),
        title=str(link["title"]),
        page=urljoin(url, str(link["href"])),
        picture=urljoin(url, str(image["src"])),
    )


def read_description(body: bytes, parser: str) -> list[str]:
    """Return the paragraphs of the section Biology, in either form of its heading, without marks of footnotes."""
    anchor = BeautifulSoup(body, parser).find(id="Biology")
    heading = anchor if anchor is None or anchor.name == "h2" else anchor.find_parent("h2")
    if heading is None:
        return []
    around = heading.parent
    block = around if around is not None and "mw-heading" in _classes(around) else heading
    paragraphs: list[str] = []
    for sibling in block.find_next_siblings():
        if sibling.name == "h2" or "mw-heading2" in _classes(sibling):
            break
        if sibling.name != "p":
            continue
        for mark in sibling.find_all("sup", class_="reference"):
            mark.decompose()
        paragraphs.append(_words(sibling))
    return [paragraph for paragraph in paragraphs if paragraph]


def _classes(tag: Tag) -> set[str]:
    return set(tag.get_attribute_list("class"))


def _words(tag: Tag) -> str:
    return " ".join(tag.get_text().split())


def crawl_plainly(start: str, proxy: str, folder: Path) -> int:
    """Fetch the list, and each page and picture into `folder`, one after the other; return the requests made."""
    session = requests.Session()
    session.proxies = {"http": proxy}
    session.trust_env = False  # a proxy of the environment would stand before ours, and is looked up at each request
    rows = read_list(session.get(start, timeout=60).content, start, "html.parser")
    made = 1
    for place, row in enumerate(rows):
        text = "\n\n".join(read_description(session.get(row.page, timeout=60).content, "html.parser"))
        (folder / f"{place}.txt").write_text(text, encoding="utf-8")
        (folder / f"{place}.png").write_bytes(session.get(row.picture, timeout=60).content)
        made += 2
    return made
