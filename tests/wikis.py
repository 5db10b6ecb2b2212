"""Small wikis in memory, for tests of the server and of the crawler."""

import http.client
import io
import json
from urllib.parse import urlencode

from PIL import Image

from pipeline.crawl.raw import Crawl
from pipeline.records import Resource
from pipeline.sample.state import page_path
from pipeline.sample.wiki import HOST, Creature, SampleWiki, Served


def png(shade: int, size: int = 16) -> bytes:
    """Return a small picture of two colours; each shade has its own bytes."""
    image = Image.new("RGBA", (size, size), (shade % 256, 90, 160, 255))
    image.paste((250, 250, 250, 255), (1 + shade % (size - 1), 0, size, size))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def creature(number: int, form: str = "") -> Creature:
    """Return a creature with a text of two paragraphs."""
    return Creature(
        id=f"c{number}{form.lower()}",
        number=number,
        name=f"Beast {number}",
        form=form,
        family=f"Family {number // 2}",
        stage=1,
        text=f"Beast {number} {form} lives & sleeps in moss.\n\nIt is <shy>.",
        image=f"{number}{form}.png",
    )


def small_wiki(count: int = 5) -> SampleWiki:
    """Return a wiki of `count` species, the third with a form, in both heading DOMs."""
    creatures = [*(creature(number) for number in range(1, count + 1)), creature(3, "Frost")]
    return SampleWiki.of(creatures, {c.image: png(10 * place) for place, c in enumerate(creatures)})


def page(number: int, form: str = "") -> str:
    """Return the path of a creature's page."""
    return page_path(creature(number, form).title)


def picture(number: int, form: str = "") -> str:
    """Return the path of a creature's picture."""
    return creature(number, form).image_path


def asked(served: Served) -> list[str]:
    """Return the paths asked since the last call, in order, without their queries."""
    paths = [note.path.removeprefix(HOST).split("?")[0] for note in served.wiki.asked]
    served.wiki.asked.clear()
    return paths


def bodies(done: Crawl) -> dict[tuple[str, str], str]:
    """Return the digests of what one crawls for, by kind and URL."""
    return {
        (line.kind, line.url): line.sha256 for line in done.resources if line.kind not in ("api", "robots", "source")
    }


def line(done: Crawl, path: str) -> Resource:
    """Return the line of the resource at a path of the wiki."""
    return next(resource for resource in done.resources if resource.url == HOST + path)


def ask(served: Served, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of what the wiki answers; a header's name has underscores for dashes."""
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read()
    finally:
        connection.close()


def api(served: Served, **query: str) -> dict[str, dict[str, object]]:
    """Return the answer of the wiki's API."""
    answer: dict[str, dict[str, object]] = json.loads(ask(served, f"/w/api.php?{urlencode(query)}")[2])
    return answer
