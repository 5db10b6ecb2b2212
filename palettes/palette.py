"""Palettes: named lists of colours in token order, read from GIMP (.gpl), hex (.hex) and three kinds of .pal files."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

PALETTE_FOLDER = Path(__file__).parent
MAX_PALETTE_BYTES = 65_536  # far beyond any real palette: a longer file is a mistake or an attack
MAX_NAME = 200  # characters: the name of a palette becomes a file of the release
MAX_COLOURS = 198  # bytes and colours together must fit an 8-bit id

Colour = tuple[int, int, int]  # red, green, blue


@dataclass(frozen=True)
class Palette:
    """Colours in token order: the i-th colour has the i-th id after the bytes."""

    name: str
    rgb: UInt8[np.ndarray, "C 3"]

    def __len__(self) -> int:
        """Count the colours."""
        return len(self.rgb)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the colours in order; the name does not count."""
        return hashlib.sha256(self.rgb.tobytes()).hexdigest()

    def gpl(self) -> str:
        """Write the palette as a GIMP palette, which Aseprite, GIMP and Krita open."""
        rows = [f"{r:3d} {g:3d} {b:3d}\t#{r:02x}{g:02x}{b:02x}" for r, g, b in self.rgb.tolist()]
        return "\n".join(["GIMP Palette", f"Name: {self.name}", "Columns: 11", *rows]) + "\n"


def is_plain_name(name: str) -> bool:
    r"""Say whether a name can be one part of a path everywhere: printable, no slash, no backslash, no dot in front.

    >>> [is_plain_name(name) for name in ("nes", "my colours", "", ".nes", "a/b", "a\nb")]
    [True, True, False, False, False, False]
    """
    return 0 < len(name) <= MAX_NAME and name.isprintable() and not name.startswith(".") and not set(name) & {*"/\\"}


def load_palette(name_or_path: str | Path) -> Palette:
    """Return a palette of this folder by name, or any .gpl, .hex or .pal file by path.

    A .pal file is what JASC's Paint Shop Pro writes (text), what Windows writes (RIFF) or, as emulators of consoles
    keep it, nothing but three bytes a colour. Such raw files (the NES's has 64 entries, ten of them black) repeat
    colours because hardware has a place for each: there, a repeated colour counts once, where it comes first.
    In all others a repeated colour is a mistake. A file's name without its ending becomes the palette's, and names a
    file in each release. Raises ValueError for an unknown name, a file whose name cannot be a palette's, an unreadable
    line or file, a repeated colour, or fewer than 2 or more than 198 colours.

    >>> len(load_palette("nes"))
    55
    """
    text = str(name_or_path)
    by_path = text.lower().endswith(tuple(_READERS))
    path = Path(text) if by_path else PALETTE_FOLDER / f"{text}.gpl"
    known = sorted(entry.stem for entry in PALETTE_FOLDER.glob("*.gpl"))
    if not by_path and text not in known:
        kinds = "a .gpl, .hex or .pal file"
        raise ValueError(f"palette {text!r} is not known: choose one of {', '.join(known)}, or give {kinds}.")
    if not is_plain_name(path.stem) or path.suffix.lower() not in _READERS:
        raise ValueError(
            f"palette file {text!r} has no name that a file in a release could have: before its ending use letters, "
            "digits and dashes, such as mine.gpl."
        )
    if not path.is_file():
        raise ValueError(f"palette file {text!r} does not exist: check the path.")
    with path.open("rb") as file:
        body = file.read(MAX_PALETTE_BYTES + 1)
    if len(body) > MAX_PALETTE_BYTES:
        raise ValueError(f"palette file {text!r} is larger than {MAX_PALETTE_BYTES} bytes: it cannot be a palette.")
    return Palette(name=path.stem, rgb=_checked(_READERS[path.suffix.lower()](body, text), text))


def _lines(body: bytes) -> list[str]:
    return body.decode("utf-8", errors="replace").splitlines()


def _gpl_colours(body: bytes, origin: str) -> list[Colour]:
    lines = _lines(body)
    if not lines or lines[0].strip() != "GIMP Palette":
        raise ValueError(f"{origin!r} does not begin with the line 'GIMP Palette': it is not a .gpl file.")
    skipped = ("#", "Name:", "Columns:", "Channels:")
    rows = [row for row in enumerate(lines[1:], start=2) if row[1].strip() and not row[1].startswith(skipped)]
    return [_three_numbers(line, number, origin) for number, line in rows]


def _three_numbers(line: str, number: int, origin: str) -> Colour:
    found = re.match(r"\s*([0-9]{1,3})\s+([0-9]{1,3})\s+([0-9]{1,3})(?:\s|$)", line)
    if not found or max(map(int, found.groups())) > 255:  # noqa: PLR2004 - 8-bit channels
        raise ValueError(f"{origin!r} line {number} is {line[:80]!r}, but a colour is three numbers from 0 to 255.")
    red, green, blue = map(int, found.groups())
    return red, green, blue


def _hex_colours(body: bytes, origin: str) -> list[Colour]:
    colours = []
    for number, line in enumerate(_lines(body), start=1):
        word = line.strip().removeprefix("#")
        if not word or word.startswith(";"):
            continue
        if not re.fullmatch(r"[0-9a-fA-F]{6}", word):
            raise ValueError(
                f"{origin!r} line {number} is {line[:80]!r}, but a colour is six hex digits, such as fcfcfc."
            )
        colours.append((int(word[:2], 16), int(word[2:4], 16), int(word[4:], 16)))
    return colours


def _pal_colours(body: bytes, origin: str) -> list[Colour]:
    if body.startswith(b"JASC-PAL"):
        return _jasc_colours(_lines(body), origin)
    if body.startswith(b"RIFF"):
        return _riff_colours(body, origin)
    if len(body) % 3 or not body:
        raise ValueError(
            f"{origin!r} has {len(body)} bytes and begins with {body[:8]!r}: a .pal file begins with JASC-PAL or RIFF, "
            "or is three bytes a colour."
        )
    return list(dict.fromkeys(_triples(body, 3)))


def _jasc_colours(lines: list[str], origin: str) -> list[Colour]:
    count = lines[2].strip() if len(lines) > 2 else ""  # noqa: PLR2004 - name, version, count
    if not re.fullmatch(r"[0-9]{1,4}", count):
        raise ValueError(f"{origin!r} line 3 is {count!r}, but a JASC palette has its number of colours there.")
    rows = [row for row in enumerate(lines[3:], start=4) if row[1].strip()]
    if len(rows) != int(count):
        raise ValueError(f"{origin!r} says that it has {count} colours, but has {len(rows)}: the file is cut or wrong.")
    return [_three_numbers(line, number, origin) for number, line in rows]


def _riff_colours(body: bytes, origin: str) -> list[Colour]:
    """Read the first `data` chunk: version and count of two bytes each, then red, green, blue and a flag a colour."""
    at = body.find(b"data", 12)
    if body[8:12] != b"PAL " or at < 0:
        raise ValueError(f"{origin!r} begins with RIFF, but holds no palette: it is not a .pal file.")
    count = int.from_bytes(body[at + 10 : at + 12], "little")
    entries = body[at + 12 : at + 12 + 4 * count]
    if len(entries) != 4 * count:
        raise ValueError(f"{origin!r} says that it has {count} colours, but has {len(entries) // 4}: the file is cut.")
    return _triples(entries, 4)


def _triples(body: bytes, width: int) -> list[Colour]:
    return [(body[at], body[at + 1], body[at + 2]) for at in range(0, len(body), width)]


_READERS = {".gpl": _gpl_colours, ".hex": _hex_colours, ".pal": _pal_colours}


def _checked(colours: list[Colour], origin: str) -> UInt8[np.ndarray, "C 3"]:
    if not 2 <= len(colours) <= MAX_COLOURS:  # noqa: PLR2004 - one colour draws nothing
        raise ValueError(f"{origin!r} has {len(colours)} colours: a palette needs 2 to {MAX_COLOURS}.")
    if len(set(colours)) != len(colours):
        twice = next(c for i, c in enumerate(colours) if c in colours[:i])
        raise ValueError(f"{origin!r} lists the colour {twice} twice: an id must stand for one colour.")
    return np.array(colours, dtype=np.uint8)
