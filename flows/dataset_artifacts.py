"""Texts about a dataset for Prefect's pages, as Markdown: what comes from a site stays words, and every list is cut."""

import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from pathlib import Path

from pipeline.cards.card import ASSETS, SHEET
from pipeline.cards.markdown import bare, code, credit
from pipeline.crawl.survey import Survey
from pipeline.publishing.staging import Published
from pipeline.records import SPLITS
from pipeline.release import Gate, Manifest, Release, mode_of

SHOWN = 12  # ids of one kind, pages, records that failed a gate
NAMED_OF = 50_000  # records up to which ids get their names: a read of two columns
WORDS = 400  # characters of one cell
MAX_PICTURE = 256 << 10  # bytes
MAX_PAGES = 40
_MARKS = str.maketrans({"*": "∗", "~": "∼", "\\": "/"})
_EDGE = re.compile(r"(?<![^\W_])_+|_+(?![^\W_])")  # within a word an underscore is only itself
_LINK = re.compile(r":(?=//)|(?<=www)\.", re.IGNORECASE)
_MAIL = re.compile(r"\S*@\S*")
_BEGINS = re.compile(r"^(?=[#+\-=]|\d+[.)](?: |$))")  # a heading, an item, a rule


def release_text(published: Published, survey: Survey | None) -> str:
    """Return what a run ended with: version, facts, changes, yields, pictures."""
    release = published.release
    manifest = release.manifest
    parts = [f"# {code(published.version.ref)}", _state(published), table(("", ""), _facts(published))]
    if published.new:
        parts += _changes(release)
    if survey is not None:
        parts += ["## Yields of the crawl", _yields(survey)]
    if manifest.quarantine:
        rows = [(code(stage), f"{count:,}") for stage, count in manifest.quarantine.items()]
        parts += ["## Dropped", table(("stage", "records"), rows)]
    return "\n\n".join([*parts, *_pictures(release)]) + "\n"


def gates_text(release: Release) -> str:
    """Return the gates' answers as a table."""
    gates = release.manifest.gates
    failed = [gate for gate in gates if not gate.passed]
    verdict = f"{len(failed)} of {len(gates)} gates failed." if failed else f"All {len(gates)} gates passed."
    rows = [
        (code(gate.name), _verdict(gate), words(gate.value), words(gate.limit), _worst(gate))
        for gate in (*failed, *(gate for gate in gates if gate.passed))
    ]
    head = ("gate", "verdict", "found", "limit", "records, reason")
    return f"# Gates of {code(release.manifest.name)}\n\n{verdict}\n\n{table(head, rows)}\n"


def survey_text(survey: Survey) -> str:
    """Return what a crawl yielded, and the pages that fell short."""
    parts = [f"# Crawl {code(survey.crawl)} of {code(survey.source)}", _yields(survey)]
    for stage in survey.yields:
        if stage.troubles:
            told = [f"- {words(one.what, 120)} {credit(one.url)}: {words(one.reason)}" for one in stage.troubles]
            parts += [f"## {words(stage.stage)}", "\n".join(_cut(told, MAX_PAGES, "- "))]
    return "\n\n".join(parts) + "\n"


def words(text: str, limit: int = WORDS) -> str:
    """Return a text from outside as plain words of one line: no HTML, no link, no mark of Markdown.

    Marks are replaced by their likes: Prefect's pages show character references as they are written. What looks like a
    mail address, as a version does, is shown as code: it would become a link.

    >>> words("[*x*](https://a.org) <b>"), words("# 1"), words("than a/b@v1.0.0")
    ('(∗x∗)(https：//a.org) ‹b›', '·# 1', 'than `a/b@v1.0.0`')
    """
    line = _EDGE.sub("ˍ", bare(text, limit).translate(_MARKS))
    line = _BEGINS.sub("·", _LINK.sub(lambda found: "：" if found[0] == ":" else "․", line))
    return _MAIL.sub(r"`\g<0>`", line)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return rows of cells, which are Markdown already, as a table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def picture(body: bytes, kind: str, told: str) -> str:
    """Return a picture that stands in the text itself; a line of words when it is too large.

    >>> picture(b"GIF", "gif", "a dot")
    '![a dot](data:image/gif;base64,R0lG)'
    """
    if len(body) > MAX_PICTURE:
        return f"({told}: {len(body):,} bytes, too large to be shown here)"
    return f"![{told}](data:image/{kind};base64,{b64encode(body).decode()})"


def hidden(release: Release) -> bool:
    """Tell whether pictures of a release are its owner's alone, and not for a server that others read."""
    return mode_of(release) is not None


def hub_page(repo_id: str, tag: str, kind: str = "datasets/") -> str:
    """Return the address of a version on the Hub."""
    from pipeline.publishing.client import hub_client

    return f"{hub_client().endpoint}/{kind}{repo_id}/tree/{tag}"


def _state(published: Published) -> str:
    if published.proposed:
        return f"Proposed, and not merged yet: {credit(published.proposed)}"
    seen_by = published.release.manifest.visibility
    return f"New version, {seen_by}." if published.new else f"Nothing changed: this version stands ({seen_by})."


def _facts(published: Published) -> list[tuple[str, str]]:
    release, manifest = published.release, published.release.manifest
    rows = [
        ("before it", code(manifest.previous) if manifest.previous else "nothing"),
        ("records", ", ".join(f"{manifest.counts.get(split, 0):,} {split}" for split in SPLITS)),
        ("source and crawl", f"{code(manifest.source)}, {code(manifest.crawl)}"),
        ("size", f"{sum(shard.bytes for shard in manifest.files.values()):,} bytes in {len(manifest.files)} files"),
        ("licences", words("; ".join(manifest.licences))),
        ("digest", code(manifest.digest)),
        ("made by", f"{code(manifest.code_version)}, {code(manifest.created_at)}"),
    ]
    if release.revision:
        rows += [("on the Hub", credit(hub_page(manifest.name, manifest.version))), ("commit", code(release.revision))]
    return [*rows, ("folder", code(str(release.folder)))]


def _changes(release: Release) -> list[str]:
    changes, names = release.manifest.diff, _names(release)
    parts = ["## What changed"]
    for what, ids in (("added", changes.added), ("changed", changes.changed), ("removed", changes.removed)):
        told = _cut([f"{code(one)} {words(names.get(one, ''), 60)}".strip() for one in ids[: SHOWN + 1]], SHOWN)
        more = f", and {len(ids) - SHOWN:,} more" if len(ids) > SHOWN else ""
        parts.append(f"**{len(ids):,} {what}**{': ' if ids else ''}{', '.join(told[:SHOWN])}{more}")
    return parts


def _names(release: Release) -> dict[str, str]:
    """Return the names of the first records that changed; of a large release none."""
    manifest = release.manifest
    asked = {*manifest.diff.added[:SHOWN], *manifest.diff.changed[:SHOWN]}
    if not asked or sum(manifest.counts.values()) > NAMED_OF:
        return {}
    found: dict[str, str] = {}
    for split in SPLITS:
        rows = release.table("records", split, ["id", "name"])
        pairs = zip(rows.column("id").to_pylist(), rows.column("name").to_pylist(), strict=True)
        found |= {one: name for one, name in pairs if one in asked}
    return found


def _yields(survey: Survey) -> str:
    rows = [
        (words(stage.stage), "passed" if stage.passed else "**FAILED**", words(stage.value), words(stage.limit))
        for stage in survey.yields
    ]
    limited = f"\n\nThe crawl was limited to its {words(survey.limited)}." if survey.limited else ""
    return table(("stage", "verdict", "found", "expected"), rows) + limited


def _pictures(release: Release) -> list[str]:
    sheet = release.folder / ASSETS / SHEET
    if hidden(release):
        return ["## Pictures", "They are private, so they are not shown here: look into the folder."]
    if not _is_small(sheet):
        return []
    return ["## Pictures", picture(sheet.read_bytes(), "png", "sprites of this version")]


def _is_small(path: Path) -> bool:
    return path.is_file() and path.stat().st_size <= MAX_PICTURE


def _verdict(gate: Gate) -> str:
    return "passed" if gate.passed else "let through" if gate.override else "**FAILED**"


def _worst(gate: Gate) -> str:
    told = ", ".join(map(code, gate.worst[:SHOWN]))
    return "; ".join(filter(None, (told, words(gate.override))))


def _cut(lines: list[str], most: int, mark: str = "") -> list[str]:
    """Return the first lines, and how many were left out."""
    return lines if len(lines) <= most else [*lines[:most], f"{mark}… and {len(lines) - most:,} more"]


def facts_of(manifest: Manifest) -> str:
    """Return a release in one line: its name, version and digest."""
    return f"{code(f'{manifest.name}@{manifest.version}')}, digest {code(manifest.digest[:12])}"
