"""Sources from files: by a name in pipeline/sources/, by the path of a .toml, or by that of a folder of pictures."""

import tomllib
from dataclasses import replace
from pathlib import Path

from pipeline.crawl.names import slug
from pipeline.crawl.sources import FolderSource, Source, WikiSource
from pipeline.recipe import is_palette_file
from pipeline.tables import build

SOURCE_FOLDER = Path(__file__).parent.parent / "sources"
TEMPLATE = "folder"  # describes any folder that has a records.jsonl; it is no source by itself
OWN_FILE = "source.toml"  # how a folder describes itself
MAX_SOURCE_BYTES = 65_536  # far beyond any real source: a longer file is a mistake


def known_sources() -> tuple[str, ...]:
    """Return the names of the sources that come with the project."""
    return tuple(sorted(path.stem for path in SOURCE_FOLDER.glob("*.toml") if path.stem != TEMPLATE))


def load_source(name_or_path: str | Path) -> Source:
    """Return a source by its name in pipeline/sources/, by a .toml file, or by a folder of pictures.

    A folder is described by its own source.toml; without one, by pipeline/sources/folder.toml and under its own name.
    Raises ValueError for an unknown name, an unreadable file, and unknown, missing or mistyped keys.

    >>> load_source("sample").texts[0].language
    'en'
    """
    text, path = str(name_or_path), Path(name_or_path)
    if text in known_sources():
        return source_from_table(_table(SOURCE_FOLDER / f"{text}.toml", text), where=text)
    if path.is_dir() and text not in {"", TEMPLATE}:
        return _own_source(path) if (path / OWN_FILE).is_file() else _bare_folder(path)
    if "/" in text and not text.endswith(".toml"):
        raise ValueError(f"source {text!r} is no folder: give the path of a folder, or of a .toml file.")
    if not text.endswith(".toml"):
        raise ValueError(
            f"source {text!r} is not known: choose {', '.join(known_sources())}, or give a .toml file or a folder, as "
            f"./{text}."
        )
    return _from_file(path, text)


def source_from_table(table: dict[str, object], where: str) -> Source:
    """Return the source that a parsed TOML (or JSON) table describes; `where` begins the messages of errors."""
    built = build(FolderSource if "folder" in table else WikiSource, table, where)
    if not isinstance(built, Source):  # pragma: no cover - `build` returns what it was asked for
        raise TypeError(f"{where}: {type(built).__name__} is not a Source.")
    return built


def wiki_source(name_or_path: str | Path) -> WikiSource:
    """Return a source that is a wiki; ValueError when it is something else."""
    source = load_source(name_or_path)
    if not isinstance(source, WikiSource):
        raise ValueError(f"source {str(name_or_path)!r} is a folder, but a wiki is needed here: name one.")  # noqa: TRY004
    return source


def _from_file(path: Path, where: str) -> Source:
    table = _table(path, where)
    if isinstance(table.get("folder"), str):
        table["folder"] = str((path.parent / str(table["folder"])).resolve())
    source = source_from_table(table, where)
    if not is_palette_file(source.build.palette):
        return source
    palette = str((path.parent / source.build.palette).resolve())
    return replace(source, build=replace(source.build, palette=palette))


def _own_source(folder: Path) -> FolderSource:
    """Return what a folder says of itself; it may have come from anywhere, so it speaks of nothing but itself."""
    own = folder / OWN_FILE
    source = _from_file(own, str(own))
    named = [Path(source.folder)] if isinstance(source, FolderSource) else [Path("/")]
    named += [Path(source.build.palette)] if is_palette_file(source.build.palette) else []
    if not isinstance(source, FolderSource) or not all(path.is_relative_to(folder.resolve()) for path in named):
        raise ValueError(f"{own} describes something outside its folder: name that file itself if you trust it.")
    return source


def _bare_folder(folder: Path) -> Source:
    name = slug(folder.resolve().name)
    name = f"{name}-{TEMPLATE}" if name in known_sources() else name  # or they would share a raw store
    table = _table(SOURCE_FOLDER / f"{TEMPLATE}.toml", TEMPLATE)
    own = {"name": name, "title": f"The pictures of {folder.resolve().name}", "folder": str(folder.resolve())}
    return source_from_table(table | own, where=str(folder))


def _table(path: Path, where: str) -> dict[str, object]:
    if not path.is_file():
        raise ValueError(f"source file {where!r} does not exist: check the path.")
    if path.stat().st_size > MAX_SOURCE_BYTES:
        raise ValueError(f"source file {where!r} is larger than {MAX_SOURCE_BYTES} bytes: it cannot be a source.")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"source file {where!r} is not TOML: {error}. Mend that line.") from error
