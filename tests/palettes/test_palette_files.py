import struct
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palettes.palette import MAX_PALETTE_BYTES, load_palette
from palettes.vocabulary import FIRST_COLOUR, Vocabulary

THREE = [[255, 0, 0], [0, 128, 0], [1, 2, 3]]
JASC = "JASC-PAL\r\n0100\r\n3\r\n255 0 0\r\n0 128 0\r\n1 2 3\r\n"


def riff(colours: list[list[int]], count: int | None = None) -> bytes:
    entries = b"".join(bytes([*colour, 0]) for colour in colours)
    data = struct.pack("<HH", 0x300, len(colours) if count is None else count) + entries
    body = b"PAL " + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("a.pal", JASC.encode()),
        ("a.pal", JASC.replace("\r", "").encode()),
        ("a.PAL", JASC.encode()),
        ("a.pal", riff(THREE)),
        ("a.pal", bytes(np.ravel(THREE).tolist())),
        ("a.hex", b"ff0000\r\n008000\r\n010203"),
        ("a.gpl", b"GIMP Palette\nName: x\nColumns: 3\n#\n255 0 0 red\n  0 128   0\tgreen\n1 2 3\n"),
    ],
)
def test_a_palette_is_read_from_each_kind_of_file(tmp_path: Path, name: str, body: bytes) -> None:
    (tmp_path / name).write_bytes(body)
    palette = load_palette(tmp_path / name)
    assert palette.rgb.tolist() == THREE
    assert palette.name == "a"


def test_a_raw_palette_of_an_emulator_counts_a_repeated_colour_once(tmp_path: Path) -> None:
    colours = [[i, 0, 0] for i in range(54)] + [[0, 0, 0]] * 10
    (tmp_path / "nes64.pal").write_bytes(bytes(np.ravel(colours).tolist()))
    assert load_palette(tmp_path / "nes64.pal").rgb.tolist() == colours[:54]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "has 0 bytes"),
        (b"hello", "begins with b'hello'"),
        (JASC.replace("\r\n3\r\n", "\r\n4\r\n").encode(), "says that it has 4 colours, but has 3"),
        (JASC.replace("1 2 3", "1 2 300").encode(), "line 6 is '1 2 300'"),
        (JASC.replace("1 2 3", "1 2").encode(), "line 6 is '1 2'"),
        (JASC.replace("1 2 3", "255 0 0").encode(), "twice"),
        (b"JASC-PAL\n0100\n", "line 3 is ''"),
        (b"JASC-PAL\n0100\n99999999999\n", "line 3 is '99999999999'"),
        (riff(THREE, count=9), "says that it has 9 colours, but has 3"),
        (b"RIFFxxxxWAVEdata", "holds no palette"),
        (b"RIFF", "holds no palette"),
        (riff(THREE)[:-1], "the file is cut"),
        (bytes(np.ravel([[i, 0, 0] for i in range(200)]).tolist()), "has 200 colours"),
        (bytes(MAX_PALETTE_BYTES + 1), "larger than 65536 bytes"),
    ],
)
def test_a_bad_pal_file_says_what_is_wrong(tmp_path: Path, body: bytes, message: str) -> None:
    (tmp_path / "a.pal").write_bytes(body)
    with pytest.raises(ValueError, match=message):
        load_palette(tmp_path / "a.pal")


@given(
    st.sampled_from([".gpl", ".hex", ".pal"]), st.binary(max_size=60), st.sampled_from([b"", b"JASC-PAL\n", b"RIFF"])
)
def test_hostile_files_are_palettes_or_value_errors(suffix: str, body: bytes, head: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{suffix}"
        path.write_bytes(head + body)
        with suppress(ValueError):
            assert 2 <= len(load_palette(path)) <= 198


def test_a_line_that_never_ends_is_shown_cut(tmp_path: Path) -> None:
    (tmp_path / "a.hex").write_text("x" * 60_000)
    with pytest.raises(ValueError, match="six hex digits") as caught:
        load_palette(tmp_path / "a.hex")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(("name", "count"), [("nes", 55), ("game-boy", 4), ("pico-8", 16)])
def test_the_vocabulary_follows_the_palette(name: str, count: int) -> None:
    palette = load_palette(name)
    vocabulary = Vocabulary(palette=palette)
    assert len(palette) == count
    assert len(vocabulary) == FIRST_COLOUR + count
    assert vocabulary.name(FIRST_COLOUR + count - 1) == f"#{palette.rgb[-1].tobytes().hex()}"
    assert vocabulary.digest != Vocabulary(extras=("x",)).digest


def test_digests_of_the_palettes_differ() -> None:
    assert len({load_palette(name).digest for name in ("nes", "game-boy", "pico-8")}) == 3
    assert np.array_equal(load_palette("nes").rgb[1], [252, 252, 252])


@pytest.mark.parametrize(
    "name",
    [".gpl", ".hidden.gpl", ".hex", "a\nb.gpl", "a\\b.gpl", "a\x1b[2Jb.hex", "\u202egpl.hex", f"{'a' * 201}.gpl"],
)
def test_a_file_whose_name_could_not_stand_in_a_release_is_refused(tmp_path: Path, name: str) -> None:
    if len(name) < 200:
        (tmp_path / name).write_text("000000\nffffff\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has no name that a file in a release could have"):
        load_palette(tmp_path / name)


def test_spaces_accents_and_dots_may_stand_in_a_palette_s_name(tmp_path: Path) -> None:
    for name in ("my colours.HEX", "Été v1.2.hex"):
        (tmp_path / name).write_text("000000\nffffff\n", encoding="utf-8")
        assert load_palette(tmp_path / name).name == name[:-4]
