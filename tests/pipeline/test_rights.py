"""Who may see a release and why, what it says of itself, and why records left it."""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pipeline.card import write_card
from pipeline.checks import check
from pipeline.diff import NOT_LISTED, reasons_of, removal_reasons
from pipeline.markdown import bare, code, credit, one_line, plain
from pipeline.publish import Audience, FolderStore, GateError, visibility
from pipeline.release import Changes, DamagedRelease, Gate, Release
from pipeline.schema import QUARANTINE_SPLIT, quarantine_layout, record_layouts

RIGHT = "The makers allowed it in a letter of 3 May."
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


@pytest.fixture(scope="module")
def gates(release: Release) -> tuple[Gate, ...]:
    return check(release)


@pytest.fixture
def copy(release: Release, gates: tuple[Gate, ...], tmp_path: Path) -> Release:
    """A release that passed its gates, and of which nothing is withheld."""
    shutil.copytree(release.folder, tmp_path / "copy")
    return Release.open(tmp_path / "copy").with_manifest(gates=gates, withheld=())


@pytest.fixture
def umask() -> Iterator[int]:
    """The umask that most systems have."""
    before = os.umask(0o022)
    yield 0o022
    os.umask(before)


def store(root: Path) -> FolderStore:
    return FolderStore(root / "releases")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def told(release: Release) -> str:
    return " ".join((release.folder / "README.md").read_text(encoding="utf-8").split())


# who may see it


def test_what_is_not_withheld_is_public_and_readable_by_all_that_the_umask_lets(
    copy: Release, tmp_path: Path, umask: int
) -> None:
    (copy.folder / "manifest.json").chmod(0o600)  # the build's own modes stay behind
    copy.folder.chmod(0o700)
    done = store(tmp_path).publish(copy, "t").release
    assert done.manifest.visibility == "public"
    assert mode(done.folder) == mode(done.folder / "records") == 0o777 & ~umask
    files = [path for path in done.folder.rglob("*") if path.is_file()]
    assert {mode(path) for path in files} == {0o666 & ~umask}
    assert "This version is public. " in told(done)


@pytest.mark.parametrize("withheld", [("pictures",), ("texts",), ("texts", "pictures")])
def test_what_is_withheld_is_private_by_default_and_its_owners_alone(
    copy: Release, tmp_path: Path, umask: int, withheld: tuple[str, ...]
) -> None:
    assert umask == 0o022
    done = store(tmp_path).publish(copy.with_manifest(withheld=withheld), "t").release
    assert (done.manifest.visibility, mode(done.folder)) == ("private", 0o700)
    assert f"its {' and '.join(withheld)} may not be redistributed. This version is private" in told(done)


def test_the_draft_of_a_private_version_is_never_readable_by_others(
    copy: Release, tmp_path: Path, umask: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert umask == 0o022
    seen: list[int] = []
    real = shutil.copyfile

    def watched(source: Path, target: Path) -> Path:
        root = next(path for path in target.parents if path.name.endswith(".part"))
        seen.append(mode(root))
        return real(source, target)

    monkeypatch.setattr(shutil, "copyfile", watched)
    store(tmp_path).publish(copy, "t", Audience(public=False))
    assert set(seen) == {0o700}


@pytest.mark.parametrize("rights", ["", "yes", "I may", "  "])
def test_making_public_what_is_withheld_needs_a_stated_right(copy: Release, tmp_path: Path, rights: str) -> None:
    with pytest.raises(GateError, match=r"its pictures may not be redistributed.*publish privately.*--rights TEXT"):
        store(tmp_path).publish(copy.with_manifest(withheld=("pictures",)), "t", Audience(public=True, rights=rights))
    assert store(tmp_path).versions(copy.manifest.name) == ()


@pytest.mark.parametrize("audience", [Audience(public=True, rights=RIGHT), Audience(rights=f" {RIGHT} ")])
def test_a_stated_right_makes_public_and_is_written_down(copy: Release, tmp_path: Path, audience: Audience) -> None:
    done = store(tmp_path).publish(copy.with_manifest(withheld=("pictures",)), "t", audience).release
    assert (done.manifest.visibility, done.manifest.rights) == ("public", RIGHT)
    assert mode(done.folder) & 0o055
    assert f"public all the same, because its publisher states the right to redistribute them: “{RIGHT}”" in told(done)
    assert Release.open(done.folder).manifest == done.manifest


@pytest.mark.parametrize("withheld", [(), ("texts",)])
@pytest.mark.parametrize("rights", ["", RIGHT])
def test_asking_for_private_always_works(copy: Release, tmp_path: Path, withheld: tuple[str, ...], rights: str) -> None:
    built = copy.with_manifest(withheld=withheld)
    done = store(tmp_path).publish(built, "t", Audience(public=False, rights=rights)).release
    assert (done.manifest.visibility, mode(done.folder)) == ("private", 0o700)
    assert "This version is private" in told(done)


@pytest.mark.parametrize("rights", ["two\nlines", "x" * 501, "a \u202e b c", "a\x1b[31mred one", "a\u2028b c d"])
def test_a_statement_is_one_printable_line_that_is_not_too_long(rights: str) -> None:
    with pytest.raises(ValueError, match="one plain line of at most 500"):
        Audience(public=True, rights=rights)


@given(
    st.sampled_from([(), ("texts",), ("pictures",), ("texts", "pictures")]),
    st.builds(Audience, public=st.sampled_from([None, True, False]), rights=st.sampled_from(["", "yes", RIGHT])),
)
def test_nothing_withheld_is_ever_public_without_a_stated_right(withheld: tuple[str, ...], audience: Audience) -> None:
    try:
        found = visibility(withheld, audience)
    except GateError:
        assert withheld
        assert audience.rights != RIGHT
        assert audience.public is not False
        return
    assert found == "private" or not withheld or audience.rights == RIGHT
    assert found == "public" or audience.public is not True


def test_a_version_that_stands_never_changes_who_sees_it(copy: Release, tmp_path: Path) -> None:
    releases = store(tmp_path)
    built = copy.with_manifest(withheld=("pictures",))
    first = releases.publish(built, "t")
    assert not releases.publish(built, "t").new
    assert not releases.publish(built, "t", Audience(public=False)).new
    with pytest.raises(GateError, match=r"@v1\.0\.0, which is private, and a released version never changes"):
        releases.publish(built, "t", Audience(rights=RIGHT))
    assert mode(first.release.folder) == 0o700
    assert releases.open(built.manifest.name).manifest == first.release.manifest


def test_a_private_version_of_somebody_else_is_named_as_such(copy: Release, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _how: False)  # whoever runs this test may be allowed everything
    with pytest.raises(PermissionError, match=r"is private: only its owner can read it\. Ask them"):
        Release.open(copy.folder)


def test_a_manifest_of_before_is_read_as_if_all_were_withheld(copy: Release) -> None:
    path = copy.folder / "manifest.json"
    older = {key: value for key, value in json.loads(path.read_text()).items() if key not in _NEW}
    path.write_text(json.dumps(older))
    manifest = Release.open(copy.folder).manifest
    assert (manifest.withheld, manifest.visibility, manifest.rights) == (("texts", "pictures"), "private", "")


_NEW = ("withheld", "visibility", "rights")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("withheld", ["music"]),
        ("withheld", "texts"),
        ("withheld", [["texts"]]),
        ("visibility", "everybody"),
        ("visibility", None),
        ("visibility", ["public"]),
        ("rights", "a\n---\nlicense: mit"),
        ("rights", 3),
    ],
)
def test_a_manifest_that_says_nonsense_of_its_rights_is_refused(copy: Release, key: str, value: object) -> None:
    path = copy.folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(DamagedRelease, match=r"manifest\.json"):
        Release.open(copy.folder)


# why records left


def drop(release: Release, rows: Sequence[tuple[str, str, str]]) -> None:
    """Let the quarantine of a release say this of (id, stage, reason)."""
    table = [{"id": key, "name": key, "stage": stage, "reason": why, "source_url": ""} for key, stage, why in rows]
    (shard,) = release.shards("quarantine", QUARANTINE_SPLIT)
    pq.write_table(pa.Table.from_pylist(table, schema=quarantine_layout().schema), release.folder / shard.file)


def without(release: Release, count: int) -> tuple[str, ...]:
    """Take the first records out of a release's training split, and return their ids."""
    path = release.folder / release.shards("records", "train")[0].file
    rows = pq.read_table(path)
    pq.write_table(rows.slice(count), path)
    return tuple(rows["id"].to_pylist()[:count])


def test_a_record_that_left_tells_its_reason(release: Release, copy: Release) -> None:
    first, second, third = without(copy, 3)
    drop(
        copy,
        [
            (first, "list", "the list names this record twice"),
            (first, "description", "the wiki has\nno page 'X'"),
            ("9999-never", "text", "too short"),
            (third, "list", "the list names this record twice"),
        ],
    )
    assert removal_reasons(release, copy) == {
        first: "description: the wiki has no page 'X'",
        second: NOT_LISTED,
        third: "list: the list names this record twice",
    }
    assert reasons_of(copy, ()) == removal_reasons(copy, copy) == {}


def test_the_changelog_gives_the_reason_of_each_of_the_first_fifty(copy: Release) -> None:
    gone = tuple(f"{number:04d}-x" for number in range(53))
    drop(copy, [(gone[1], "description", "the wiki has no page 'X|`<b>'")])
    stamped = copy.with_manifest(version="v1.1.0", diff=Changes(added=gone, removed=gone))
    write_card(stamped, "t")
    lines = (stamped.folder / "CHANGELOG.md").read_text().splitlines()
    removed = lines[lines.index("* Removed 53:") :]
    assert removed[1] == "  * `0000-x`: no longer in the list"
    assert removed[2] == "  * `0001-x`: description: the wiki has no page 'X&#124;&#96;&#60;b&#62;'"
    assert removed[50:] == ["  * `0049-x`: no longer in the list", "  * and 3 more"]
    assert next(line for line in lines if line.startswith("* Added 53: ")).endswith(" and 3 more")


def test_publishing_writes_the_reasons(copy: Release, tmp_path: Path) -> None:
    releases = store(tmp_path)
    releases.publish(copy, "t")
    (gone,) = without(copy, 1)
    drop(copy, [(gone, "description", "the wiki has no page 'X'")])
    done = releases.publish(copy, "t").release
    assert done.manifest.diff.removed == (gone,)
    assert f"* `{gone}`: description: the wiki has no page 'X'" in (done.folder / "CHANGELOG.md").read_text()


# hostile texts

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


def poison(release: Release, text: str) -> Release:
    """Let the site have its say wherever a record, a drop or the manifest quotes it."""
    path = release.folder / release.shards("records", "train")[0].file
    rows = pq.read_table(path).to_pylist()
    said = text.encode("utf-8", "replace").decode()
    for row in rows:
        row.update(dict.fromkeys(("id", "name", "caption", "licence", "attribution"), said))
    pq.write_table(pa.Table.from_pylist(rows, schema=record_layouts(release.manifest.k)["records"].schema), path)
    drop(release, [(said, "description", said)])
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
    write_card(copy.with_manifest(version="v1.0.0"), "A title")
    tame = {name: skeleton(copy, name) for name in ("README.md", "ATTRIBUTION.md")}
    title = text.encode("utf-8", "replace").decode()
    bent = poison(copy, text)
    write_card(bent, title)
    for name in ("README.md", "ATTRIBUTION.md", "CHANGELOG.md"):
        body = (bent.folder / name).read_text(encoding="utf-8")
        assert "<script" not in body
        assert "](" not in body
        assert not set(body) & set("\u202e\u2066\u200f\x00\x1b\x07")
        assert not {"html_inline", "html_block", "image", "s_open"} & set(map(str, skeleton(bent, name)))
    assert headings(skeleton(bent, "README.md")) == headings(tame["README.md"])
    assert headings(skeleton(bent, "ATTRIBUTION.md")) == headings(tame["ATTRIBUTION.md"]) == ["h1"]
    head = yaml.safe_load((bent.folder / "README.md").read_text(encoding="utf-8").split("\n---\n")[0])
    assert head["pretty_name"] == bare(title)
    assert head["license"] == "other"
    assert set(head) == {"pretty_name", "license", "language", "task_categories", "tags", "size_categories"} | {
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
    write_card(poison(copy, "a | b | c"), "t")
    assert [kind for kind in skeleton(copy, "README.md") if kind.startswith("cells")] == ["cells 5"]
