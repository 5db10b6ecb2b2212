"""Palettes: named lists of colours in token order, read from GIMP (.gpl) or hex (.hex) files."""

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

PALETTE_FOLDER = Path(__file__).parent
MAX_PALETTE_BYTES = 65_536  # far beyond any real palette: a longer file is a mistake or an attack
MAX_COLOURS = 198  # bytes and colours together must fit an 8-bit id


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


def load_palette(name_or_path: str | Path) -> Palette:
    """Return a palette of this folder by name, or any .gpl or .hex file by path.

    Raises ValueError for an unknown name, an unreadable line, a repeated colour or too many colours.

    >>> len(load_palette("nes"))
    55
    """
    text = str(name_or_path)
    by_path = text.endswith((".gpl", ".hex"))
    path = Path(text) if by_path else PALETTE_FOLDER / f"{text}.gpl"
    known = sorted(entry.stem for entry in PALETTE_FOLDER.glob("*.gpl"))
    if not by_path and text not in known:
        raise ValueError(
            f"palette {text!r} is not known: choose one of {', '.join(known)}, or give a .gpl or .hex file."
        )
    if not path.is_file():
        raise ValueError(f"palette file {text!r} does not exist: check the path.")
    if path.stat().st_size > MAX_PALETTE_BYTES:
        raise ValueError(f"palette file {text!r} is larger than {MAX_PALETTE_BYTES} bytes: it cannot be a palette.")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    colours = _gpl_colours(lines, text) if path.suffix == ".gpl" else _hex_colours(lines, text)
    return Palette(name=path.stem, rgb=_checked(colours, text))


def _gpl_colours(lines: list[str], origin: str) -> list[tuple[int, int, int]]:
    if not lines or lines[0].strip() != "GIMP Palette":
        raise ValueError(f"{origin!r} does not begin with the line 'GIMP Palette': it is not a .gpl file.")
    colours = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip() or line.startswith(("#", "Name:", "Columns:", "Channels:")):
            continue
        found = re.match(r"\s*(\d{1,3})\s+(\d{1,3})\s+(\d{1,3})(?:\s|$)", line)
        if not found or max(map(int, found.groups())) > 255:  # noqa: PLR2004 - 8-bit channels
            raise ValueError(f"{origin!r} line {number} is {line!r}, but a colour is three numbers from 0 to 255.")
        red, green, blue = map(int, found.groups())
        colours.append((red, green, blue))
    return colours


def _hex_colours(lines: list[str], origin: str) -> list[tuple[int, int, int]]:
    colours = []
    for number, line in enumerate(lines, start=1):
        word = line.strip().removeprefix("#")
        if not word or word.startswith(";"):
            continue
        if not re.fullmatch(r"[0-9a-fA-F]{6}", word):
            raise ValueError(f"{origin!r} line {number} is {line!r}, but a colour is six hex digits, such as fcfcfc.")
        colours.append((int(word[:2], 16), int(word[2:4], 16), int(word[4:], 16)))
    return colours


def _checked(colours: list[tuple[int, int, int]], origin: str) -> UInt8[np.ndarray, "C 3"]:
    if not 2 <= len(colours) <= MAX_COLOURS:  # noqa: PLR2004 - one colour draws nothing
        raise ValueError(f"{origin!r} has {len(colours)} colours: a palette needs 2 to {MAX_COLOURS}.")
    if len(set(colours)) != len(colours):
        twice = next(c for i, c in enumerate(colours) if c in colours[:i])
        raise ValueError(f"{origin!r} lists the colour {twice} twice: an id must stand for one colour.")
    return np.array(colours, dtype=np.uint8)
