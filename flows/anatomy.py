"""One record in a terminal: its sprite, its text, its ids and one window."""

import numpy as np
from jaxtyping import UInt8
from rich.console import Group
from rich.table import Table
from rich.text import Text

from model.pictures import terminal_sprite
from palettes.vocabulary import Vocabulary
from pipeline.records import SPLITS
from pipeline.release import Release
from pipeline.tokenizer import decode_record, grids
from pipeline.windows import record_windows


def anatomy(release: Release, record: str | None) -> Group:
    """Return a record, by id or by how its id begins (the first without one), ready to be printed.

    ValueError when no id begins so.
    """
    split, row, ids = find_record(release, record)
    sprite, caption = decode_record(ids, release.vocabulary)
    head = Text.assemble(
        (f"{row['name']} ", "bold"), f"{row['id']} · {split} · family {row['group']} · {row['licence']}"
    )
    shape = f"{sprite.shape[0]}×{sprite.shape[1]} px, {len(np.unique(sprite))} colours, {len(ids)} tokens"
    at = int(len(ids) * 0.3)
    k = release.manifest.k
    window = record_windows(grids(ids), k)[at]
    return Group(
        head,
        Text.from_ansi(terminal_sprite(sprite, release.palette.rgb)),
        Text(shape, style="dim"),
        Text(caption),
        Text(f"\nthe first ids: {_names(ids[:24], release.vocabulary)} …", style="dim"),
        Text(f"the {k}×{k} window of token {at}, {release.vocabulary.name(int(ids[at]))} (· is 0, not to be seen):"),
        window_table(window, release.vocabulary),
        Text(row["source_url"], style="dim"),
    )


def find_record(release: Release, record: str | None) -> tuple[str, dict[str, str], UInt8[np.ndarray, "L"]]:
    """Return split, row and ids of the record whose id is, or begins with, `record`."""
    columns = ["id", "name", "group", "licence", "source_url"]
    for split in SPLITS:
        table = release.table("records", split, columns)
        for place, key in enumerate(table.column("id").to_pylist()):
            if record is None or key.startswith(record):
                ids = release.table("tokens", split, ["tokens"]).column("tokens")[place].as_py()
                return split, table.slice(place, 1).to_pylist()[0], np.array(ids, dtype=np.uint8)
    raise ValueError(f"no id of {release.version.ref} begins with {record!r}: the ids stand in the config `records`.")


def window_table(window: UInt8[np.ndarray, "k k"], vocabulary: Vocabulary) -> Table:
    """Return a window as a table, colours on themselves, the centre in bold."""
    table = Table(show_header=False, padding=(0, 1))
    r = len(window) // 2
    for y, line in enumerate(window.tolist()):
        cells = []
        for x, token in enumerate(line):
            name = vocabulary.name(token) if token else "·"
            style = f"on {name}" if vocabulary.is_colour(token) else ""
            cells.append(Text(name, style=f"bold reverse {style}" if (y, x) == (r, r) else style))
        table.add_row(*cells)
    return table


def _names(ids: UInt8[np.ndarray, "n"], vocabulary: Vocabulary) -> str:
    return " ".join("␣" if vocabulary.name(token) == " " else vocabulary.name(token) for token in ids.tolist())
