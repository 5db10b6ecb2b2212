"""Sites that misbehave, each against the real crawler in its child process: refused, cut off in time, and recorded."""

import datetime as dt
import ipaddress
import ssl
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline.crawl.pages import parse_description, parse_list
from pipeline.crawl.raw import Crawl, RawStore
from pipeline.crawl.run import CrawlError, crawl
from pipeline.pixelize import PictureError, pixelize
from pipeline.records import Description, Resource
from pipeline.text import fit_caption
from tests.hostile_server import (
    GIGABYTE,
    LIST,
    Answer,
    Hostile,
    article,
    bomb,
    cut,
    drip,
    endless,
    header_flood,
    interim_flood,
    list_page,
    page,
    redirect,
    serve,
    source_of,
)
from tests.wikis import png

IMAGE_BYTES, PAGE_BYTES = 100_000, 200_000
FLOOD = 16_000_000  # bytes that the two ends' buffers may hold, generously; a gigabyte would be read otherwise
LONG = b"HTTP/1.1 200 So\r\nContent-Type: image/png\r\nContent-Length: 5000\r\n\r\n"


PICTURES: dict[str, Answer] = {
    "elsewhere": redirect("http://elsewhere.example/x.png"),
    "metadata": redirect("http://169.254.169.254/latest/meta-data/"),
    "number": redirect("http://2852039166/latest/meta-data/"),
    "file": redirect("file:///etc/passwd"),
    "data": redirect("data:image/png;base64,iVBORw0KGgo="),
    "user": redirect("http://127.0.0.1@elsewhere.example/x.png"),
    "circle": redirect("/circle.png"),
    "bomb": bomb(50_000_000, "image/png"),
    "claimed": partial(endless, claimed=GIGABYTE),
    "unclaimed": partial(endless, claimed=-1),
    "drip": drip(LONG + png(1)[:20]),
    "drip-of-headers": drip(b"HTTP/1.1 200 So\r\nX-Slow: "),
    "cut": cut,
    "header-flood": header_flood,
    "interim-flood": interim_flood,
    "long-line": page(png(2), f"X-Long: {'y' * 1_000_000}"),
    "control": page(png(3), 'ETag: "a\rX-Evil: b"', "Last-Modified: Sat,\x1b[31m", "Content-Type: image/png\r"),
    "many-headers": page(png(4), *(f"X-{number}: y" for number in range(5000))),
    "fine": page(png(5), 'ETag: "fine"', "Content-Type: image/png"),
}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hostile, Crawl, RawStore]]:
    """One crawl of a list whose pictures misbehave each in its own way, all at once."""
    store = RawStore(tmp_path_factory.mktemp("zoo") / "raw")
    with serve() as server:
        names = list(PICTURES)
        server.paths |= {f"/{name}.png": answer for name, answer in PICTURES.items()}
        server.paths |= {f"/wiki/{name}": page(article()) for name in names}
        server.paths["/wiki/fine"] = bomb(50_000_000, "text/html")
        server.paths[LIST] = page(list_page([(name, f"/{name}.png") for name in names]))
        source = source_of(server)
        hasty = replace(source.politeness, concurrency=20)
        limits = replace(source.limits, page_bytes=PAGE_BYTES, image_bytes=IMAGE_BYTES, timeout=1.5)
        yield server, crawl(replace(source, politeness=hasty, limits=limits), store), store


def line(done: Crawl, end: str) -> Resource:
    return next(resource for resource in done.resources if resource.url.endswith(end))


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("elsewhere", "'http://elsewhere.example/x.png' is not on an allowed host for a miniature"),
        ("metadata", "'http://169.254.169.254/latest/meta-data/' is not on an allowed host"),
        ("number", "is not on an allowed host"),
        ("file", "answered 302"),
        ("data", "answered 302"),
        ("user", "is not on an allowed host"),
        ("circle", "max redirections reached"),
        ("bomb", "exceeded"),
        ("claimed", "larger than the limit of 100000 bytes"),
        ("unclaimed", "larger than the limit of 100000 bytes"),
        ("drip", "took longer than 1.5 seconds"),
        ("drip-of-headers", "took longer than 1.5 seconds"),
        ("cut", "ResponseDataLossError"),
        ("header-flood", "head of the answer is larger than 262144 bytes"),
        ("interim-flood", "head of the answer is larger than 262144 bytes"),
        ("long-line", "DownloadFailedError"),
    ],
)
def test_a_misbehaving_answer_is_a_line_with_its_reason(
    zoo: tuple[Hostile, Crawl, RawStore], name: str, error: str
) -> None:
    resource = line(zoo[1], f"/{name}.png")
    assert error in resource.error
    assert not resource.sha256


def test_a_page_that_inflates_beyond_its_limit_is_refused(zoo: tuple[Hostile, Crawl, RawStore]) -> None:
    assert "exceeded" in line(zoo[1], "/wiki/fine").error


def test_the_well_behaved_among_them_arrive(zoo: tuple[Hostile, Crawl, RawStore]) -> None:
    _, done, store = zoo
    assert store.get(line(done, "/fine.png").sha256) == png(5)
    assert line(done, "/fine.png").etag == '"fine"'
    assert store.get(line(done, "/many-headers.png").sha256) == png(4)
    assert sum(1 for resource in done.resources if resource.kind == "description" and resource.sha256) == 18


@pytest.mark.parametrize("name", ["claimed", "unclaimed", "header-flood", "interim-flood"])
def test_an_endless_answer_is_stopped_early(zoo: tuple[Hostile, Crawl, RawStore], name: str) -> None:
    assert 0 < zoo[0].sent[f"/{name}.png"] < FLOOD


def test_a_header_with_control_characters_is_kept_without_them_or_not_at_all(
    zoo: tuple[Hostile, Crawl, RawStore],
) -> None:
    resource = line(zoo[1], "/control.png")
    assert (resource.etag, resource.last_modified, resource.content_type) == ('"a X-Evil: b"', "", "image/png")
    assert zoo[2].get(resource.sha256) == png(3)


def test_redirects_are_followed_only_so_far(zoo: tuple[Hostile, Crawl, RawStore]) -> None:
    assert zoo[0].asked.count("/circle.png") == 6
    assert not [path for path in zoo[0].asked if "passwd" in path or "meta-data" in path]


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "deep" / "raw")


def test_pictures_are_stored_by_digest_whatever_they_are_called(store: RawStore) -> None:
    names = ("../../x.png", "/..%2f..%2fx.png", "/%00.png", "//etc/passwd", "/C:\\x.png", "/a/../../../etc/x.png")
    wild = ("file:///etc/passwd", "data:image/png;base64,iVBORw0KGgo=", "ftp://127.0.0.1/x.png", "http://[::1/x.png")
    with serve() as server:
        rows = [(f"N{place}", name) for place, name in enumerate((*names, *wild))]
        server.paths |= {f"/wiki/{name}": page(article()) for name, _ in rows}
        server.paths |= dict.fromkeys(("/x.png", "/..%2f..%2fx.png", "/%00.png", "/C:/x.png"), page(png(1)))
        server.paths |= {"/etc/x.png": page(png(1)), LIST: page(list_page(rows))}
        done = crawl(source_of(server), store)
    assert done.report is not None
    assert done.report.unparsed == 5  # //etc/passwd is another host
    written = {path.relative_to(store.root.parent.parent) for path in store.root.parent.parent.rglob("*")}
    assert {path.parts[:2] for path in written if len(path.parts) > 1} == {("deep", "raw")}
    assert {path.parts[2] for path in written if len(path.parts) > 2} == {"blobs", "crawls", "logs", "lock"}
    blobs = [path for path in (store.root / "blobs").rglob("*") if path.is_file()]
    assert all(len(path.name) == 64 and path.name.isalnum() for path in blobs)
    assert sum(resource.kind == "miniature" and bool(resource.sha256) for resource in done.resources) >= 4


@pytest.mark.slow
def test_a_picture_s_name_brings_nothing_hidden_into_the_books(store: RawStore) -> None:
    names = ("/%E2%80%AE%0A%23%20x.png", "/a\u202eb.png")
    with serve() as server:
        rows = [(f"N{place}", name) for place, name in enumerate(names)]
        server.paths |= {f"/wiki/{name}": page(article()) for name, _ in rows}
        server.paths |= {names[0]: page(png(1)), "/a%E2%80%AEb.png": page(png(1)), LIST: page(list_page(rows))}
        done = crawl(source_of(server), store)
    pictures = [resource for resource in done.resources if resource.kind == "miniature"]
    assert len(pictures) == 2
    for resource in pictures:
        assert resource.sha256
        assert (resource.title + resource.attribution).isprintable()
        assert resource.url.isascii()


def test_a_name_that_means_a_private_address_is_refused_unasked(store: RawStore) -> None:
    with serve() as server:
        source = replace(source_of(server, host=f"localhost:{server.port}"), local=False)
        with pytest.raises(CrawlError, match=r"localhost means 127.0.0.1, a loopback address.*`local = true`"):
            crawl(source, store, contact="me@example.org")
    assert server.asked == []


@pytest.mark.slow
def test_a_private_address_in_a_url_is_refused_unasked(store: RawStore) -> None:
    with serve() as server:
        source = replace(source_of(server, host=f"127.1:{server.port}"), local=False)
        with pytest.raises((CrawlError, ValueError), match="a loopback address, and the source does not say"):
            crawl(source, store, contact="me@example.org")
    assert server.asked == []


def test_a_server_that_vouches_for_itself_is_not_trusted(store: RawStore, tmp_path: Path) -> None:
    with serve({LIST: page(list_page([("A", "/a.png")]))}, tls=self_signed(tmp_path)) as server:
        source = source_of(server, host=f"localhost:{server.port}", scheme="https")
        with pytest.raises(CrawlError, match="certificate of localhost cannot be trusted"):
            crawl(source, store)
    assert server.asked == []


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return what a server needs to vouch for itself as localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (bomb(50_000_000, "text/html"), "exceeded"),
        (partial(endless, claimed=-1), "larger than the limit of 200000 bytes"),
    ],
)
def test_a_list_that_inflates_or_never_ends_stops_the_crawl(store: RawStore, answer: Answer, error: str) -> None:
    with serve({LIST: answer}) as server, pytest.raises(CrawlError, match=error):
        crawl(source_of(server), store)
    assert store.latest_crawl() is None


@pytest.mark.parametrize("side", [5_000, 50_000])
def test_a_picture_that_declares_too_many_pixels_is_refused_undecoded(side: int) -> None:
    header = struct.pack(">IIBBBBB", side, side, 8, 6, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    data = zlib.compress(b"\0" * 1000)
    pixels = struct.pack(">I", len(data)) + b"IDAT" + data + struct.pack(">I", zlib.crc32(b"IDAT" + data))
    with pytest.raises(PictureError, match=r"more than the 16,777,216 px|far larger than the 16,777,216 px"):
        pixelize(b"\x89PNG\r\n\x1a\n" + chunk + pixels)


HIDDEN = "\u202e\u2066\u2069\u200f\u061c\u0007\u001b[31m\ufeff\u0085"


def test_what_the_eye_cannot_see_does_not_get_past_the_parsers() -> None:
    with serve() as server:
        source = source_of(server)
    rows = [
        (f"Evil{HIDDEN}beast", "/a.png"),
        ("--- !!python/object: {a: bc}", "/b.png"),
        ("<b>x</b>|[yes](z)", "/c.png"),
    ]
    parsed = parse_list(list_page(rows), source.start[0], source)
    names = [listing.name for listing in parsed.listings]
    assert names[1:] == ["--- !!python/object: {a: bc}", "<b>x</b>|[yes](z)"]
    assert names[0].startswith("Evil")
    assert all(name.isprintable() for name in names)
    assert all(page_.title.isprintable() for listing in parsed.listings for page_ in listing.pages)
    body = article(f"It{HIDDEN} hides.")
    read = parse_description(body, "Evil", "en", source)
    assert isinstance(read, Description)
    assert all(paragraph.isprintable() for paragraph in read.paragraphs)
    assert fit_caption(read.paragraphs, budget=100, limit=200).text == "it[31m hides."
