"""What a site says stays words: in the documents of a release nothing from outside becomes markup."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.cards.card import write_card
from pipeline.cards.markdown import bare, bib, code, credit, one_line, plain
from pipeline.release import Changes, Gate, Release
from pipeline.schema import QUARANTINE_SPLIT, quarantine_layout, record_layouts

HOSTILE = (
    "]( javascript:x )<script>alert(1)</script>",
    "a\n---\nlicense: mit",
    "`code` ``` ~~~",
    "a | b | c",
    "\u202egnp.exe\u2066\u200f",
    "nul \x00 escape \x1b[31m bell \x07",
    "# heading",
    "- item",
    "1. first",
    "![x](http://169.254.169.254/x.png)",
    "<!-- hidden",
    "**bold** __bold__ _it_ ~~gone~~ $$x$$",
    "&lt;b&gt; &#60;i&#62;",
    "{{ m.digest }}{% raw %}",
    "---",
    "\\`\\<b>\\",
    "<https://evil.example/<b>>",
    "[ref]: javascript:x",
    "\ud800 alone",
)


@pytest.fixture(autouse=True)
def without_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes a second, and no text from outside stands in a plot."""
    monkeypatch.setattr("pipeline.cards.card.plots", lambda *_: {})


@pytest.fixture
def copy(release: Release, tmp_path: Path) -> Release:
    shutil.copytree(release.folder, tmp_path / "copy")
    return Release.open(tmp_path / "copy")


OUR_PICTURE = re.compile(r"!\[[A-Za-z ,:]+\]\(assets/[a-z-]+\.png\)")
READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
WORDS = {"text", "softbreak", "text_special"}


def tokens(text: str) -> Iterator[Token]:
    for token in READER.parse(text):
        yield token
        yield from token.children or ()


def shown(text: str) -> tuple[str, set[str]]:
    """Return what a reader of Markdown sees of one list item, and of which kinds its parts are."""
    found = list(tokens(f"* {text}"))[4:]  # behind the beginning of list, item, paragraph and line
    parts = [token for token in found if not token.type.endswith("_close")]
    return "".join(token.content for token in parts), {token.type for token in parts}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("escape", [plain, credit])
def test_hostile_text_is_shown_as_it_is(text: str, escape: Callable[[str], str]) -> None:
    seen, kinds = shown(escape(text))
    assert seen == one_line(text)
    assert kinds <= WORDS | ({"link_open"} if escape is credit else set())


marks = st.text(alphabet=st.sampled_from(list("ab1 _*`<>[]()!#+-.=~|\\&;:/\"'@$\n\t\u202e\x00wé.")), max_size=40)


@given(st.one_of(marks, st.text(max_size=40)))
def test_any_plain_text_is_words_and_nothing_else(text: str) -> None:
    seen, kinds = shown(plain(text)) if one_line(text) else ("", set())
    assert seen == one_line(text)
    assert kinds <= WORDS
    assert not re.search(r"[<>|`\[\]]|://|www\.|@", plain(text))  # nor what further readers make links of


@given(st.one_of(marks, st.text(max_size=40)))
def test_one_line_has_no_breaks_and_nothing_unseen(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert not set(line) & set("\x00\u202e\u2066\u200f\n\t")
    assert one_line(line) == line


@pytest.mark.parametrize(
    "text", ["Mr. Mime", "96.6%", "Flabébé", "Ho-Oh", "Type: Null", "Nidoran♀", "Farfetch'd", "a_b.png"]
)
def test_ordinary_names_read_in_the_file_as_on_the_page(text: str) -> None:
    assert plain(text) == credit(text) == text


def test_the_address_of_a_page_stays_a_link_that_reads_well() -> None:
    assert credit("text: “A”, https://a.org/wiki/Type:_Null; picture: b (https://a.org/x_(y).png).") == (
        "text: “A”, <https://a.org/wiki/Type:_Null>; picture: b (<https://a.org/x_(y).png>)."
    )
    assert credit("https://a.org/`|[x] https://b.org") == "<https://a.org/%60%7C%5Bx%5D> <https://b.org>"
    assert "<" not in credit("javascript:alert(1) data:text/html,x file:///etc/passwd ftp://a.org")


def test_a_code_span_holds_whatever_it_is_given() -> None:
    assert [code(text) for text in ("a`b", "a|b", "a\nb", "")] == ["`a'b`", "`a/b`", "`a b`", "`-`"]


@given(st.one_of(marks, st.text(max_size=40)))
def test_a_field_of_bibtex_ends_neither_itself_nor_its_block(text: str) -> None:
    field = bib(text)
    assert not set(field) & set("{}`\n~^")
    assert not re.search(r"(?<!\\)[&%$#_]", field)
    assert not re.search(r"\\(?![&%$#_])", field)


def poison(release: Release, text: str) -> Release:
    """Let the site have its say wherever a record, a drop or the manifest quotes it."""
    path = release.folder / release.shards("records", "train")[0].file
    rows = pq.read_table(path).to_pylist()
    said = text.encode("utf-8", "replace").decode()
    for row in rows:
        row.update(dict.fromkeys(("id", "name", "caption", "licence", "attribution"), said))
    pq.write_table(pa.Table.from_pylist(rows, schema=record_layouts()["records"].schema), path)
    (shard,) = release.shards("quarantine", QUARANTINE_SPLIT)
    drop = [dict.fromkeys(quarantine_layout().schema.names, said)]
    pq.write_table(pa.Table.from_pylist(drop, schema=quarantine_layout().schema), release.folder / shard.file)
    failed = Gate(name="x", limit=said, value=said, passed=False, override=said)
    gates = (*release.manifest.gates, failed)
    return release.with_manifest(
        version="v1.0.0",
        licences=(said,),
        gates=gates,
        quarantine={said: 1},
        source=said,
        crawl=said,
        diff=Changes(added=(said,), changed=(said,), removed=(said,)),
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_no_document_of_a_release_is_bent_by_what_a_site_says(copy: Release, text: str) -> None:
    write_card(copy.with_manifest(version="v1.0.0", title="A title"))
    tame = {name: skeleton(copy, name) for name in ("README.md", "ATTRIBUTION.md")}
    title = text.encode("utf-8", "replace").decode()
    bent = poison(copy, text).with_manifest(title=title)
    write_card(bent)
    for name in ("README.md", "ATTRIBUTION.md", "CHANGELOG.md"):
        body = (bent.folder / name).read_text(encoding="utf-8")
        assert "<script" not in body
        assert "](" not in OUR_PICTURE.sub("", body)
        assert not set(body) & set("\u202e\u2066\u200f\x00\x1b\x07")
        assert not {"html_inline", "html_block", "s_open"} & set(map(str, skeleton(bent, name)))
        assert skeleton(bent, name).count("image") == len(OUR_PICTURE.findall(body))
    assert headings(skeleton(bent, "README.md")) == headings(tame["README.md"])
    assert headings(skeleton(bent, "ATTRIBUTION.md")) == headings(tame["ATTRIBUTION.md"]) == ["h1"]
    head = yaml.safe_load((bent.folder / "README.md").read_text(encoding="utf-8").split("\n---\n")[0])
    assert head["pretty_name"] == bare(title)
    assert head["license"] == "other"
    assert re.fullmatch(r"[a-z0-9.-]+", head["license_name"])
    assert set(head) == {"pretty_name", "license", "license_name", "language", "task_categories", "tags"} | {
        "size_categories",
        "configs",
        "dataset_info",
    }
    assert json.loads((bent.folder / "croissant.json").read_text())["name"] == one_line(title, 200)


def skeleton(release: Release, name: str) -> list[str]:
    """Return the kinds of all parts of a document; of tables also how wide their rows are."""
    body = (release.folder / name).read_text(encoding="utf-8")
    if name == "README.md":
        body = body.split("\n---\n", 1)[1]
    kinds = [f"{token.tag}" if token.type == "heading_open" else token.type for token in tokens(body)]
    return [*kinds, *[f"cells {line.count('|')}" for line in body.splitlines() if line.startswith("| x ")]]


def headings(kinds: list[str]) -> list[str]:
    return [kind for kind in kinds if kind in {"h1", "h2", "h3", "hr", "code_block", "fence"}]


def test_a_pipe_in_a_gates_reason_adds_no_column(copy: Release) -> None:
    write_card(poison(copy, "a | b | c"))
    assert [kind for kind in skeleton(copy, "README.md") if kind.startswith("cells")] == ["cells 5"]
