"""Of a folder only plain files are read that lie inside it: whatever a path leads to, and whoever wrote it."""

import os
import re
import shutil
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.crawl import inside
from pipeline.crawl.folder import gather
from pipeline.crawl.inside import UnreadableFileError, read_inside
from pipeline.crawl.raw import RawStore
from pipeline.crawl.records_file import parse_records
from tests.folders import NOON, counts, line, make_folder, png, record, source_of, write_picture, write_table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "zoo")


@pytest.fixture
def store(tmp_path: Path) -> RawStore:
    return RawStore(tmp_path / "raw" / "zoo")


def make_pipe(folder: Path) -> str:
    os.mkfifo(folder / "images" / "pipe.png")
    return "images/pipe.png"


def make_socket(folder: Path) -> str:
    with socket.socket(socket.AF_UNIX) as server:
        back = Path.cwd()
        os.chdir(folder)  # the path of a socket may not be long
        try:
            server.bind("images/socket.png")
        finally:
            os.chdir(back)
    return "images/socket.png"


def make_link(to: str) -> Callable[[Path], str]:
    def make(folder: Path) -> str:
        (folder / "images" / "link.png").symlink_to(to)
        return "images/link.png"

    return make


def make_linked_folder(folder: Path) -> str:
    (folder.parent / "secret").mkdir()
    (folder.parent / "secret" / "1.png").write_bytes(b"secret")
    (folder / "more").symlink_to(folder.parent / "secret")
    return "more/1.png"


def make_large(folder: Path) -> str:
    path = write_picture(folder, "large.png", b"")
    os.truncate(path, 8_388_609)  # a hole: it takes no place on the disk
    return "images/large.png"


@pytest.mark.parametrize(
    ("trap", "status", "reason"),
    [
        (lambda _: "../../etc/passwd", 0, "leads out of the folder"),
        (lambda folder: f"../{folder.name}/images/1.png", 0, "leads out of the folder"),
        (lambda folder: str(folder / "images" / "1.png"), 0, "leads out of the folder"),
        (lambda _: "/etc/passwd", 0, "leads out of the folder"),
        (lambda _: "images/../../raw", 0, "leads out of the folder"),
        (make_link("/etc/passwd"), 0, "leads out of the folder"),
        (make_link("../../zoo-not-there"), 0, "leads out of the folder"),
        (make_link("not-there.png"), 404, "has no file"),
        (make_link("link.png"), 0, "cannot be read"),
        (make_link("/dev/zero"), 0, "leads out of the folder"),
        (make_linked_folder, 0, "leads out of the folder"),
        (make_pipe, 0, "is no plain file but a pipe"),
        (make_socket, 0, "is no plain file but a socket"),
        (make_large, 0, "8388609 bytes, more than the 8388608 allowed"),
        (lambda _: "images", 0, "is no plain file but a folder"),
        (lambda _: ".", 0, "is no plain file but a folder"),
        (lambda _: "images/1.png\0.jpg", 0, "cannot be read"),
        (lambda _: "images/\ud800.png", 0, "cannot be read"),
        (lambda _: "images/" + "x" * 300 + ".png", 0, "cannot be read"),
        (lambda _: "images/1.png/2.png", 404, "has no file"),
        (lambda _: "images\\1.png", 404, "has no file"),
        (lambda _: "https://example.org/1.png", 404, "has no file"),
    ],
)
def test_a_picture_that_is_no_plain_file_of_the_folder_is_never_read(
    folder: Path, store: RawStore, trap: Callable[[Path], str], status: int, reason: str
) -> None:
    path = trap(folder)
    write_table(folder, [record(1), record(2, image=path), record(3)])
    source = source_of(folder)
    crawl = gather(source, store)
    assert counts(crawl) == (6, 0, 0, 1)
    listed = parse_records(store.get(line(crawl, "folder:records.jsonl").sha256), source).listings
    refused = crawl.by_url("miniature")[listed[1].miniature_url]
    assert (refused.sha256, refused.status) == ("", status)
    assert re.search(reason, refused.error)
    assert str(folder.parent) not in refused.error or str(folder.parent) in path, "where the folder lies is private"


def test_a_file_that_may_not_be_read_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> int:
        raise PermissionError(13, "Permission denied", "/home/me/zoo")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(UnreadableFileError, match=r"^the file 'images/1.png' cannot be read: Permission denied$"):
        read_inside(folder, "images/1.png", 1000)


def test_a_link_that_stays_inside_is_followed(folder: Path) -> None:
    (folder / "images" / "same.png").symlink_to("1.png")
    (folder / "all").symlink_to("images")
    assert read_inside(folder, "images/same.png", 10_000)[0] == png(1)
    assert read_inside(folder, "all/2.png", 10_000)[0] == png(2)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_a_file_is_read_up_to_the_limit_and_not_beyond(folder: Path, over: int) -> None:
    (folder / "file").write_bytes(b"x" * (100 + over))
    if over <= 0:
        assert len(read_inside(folder, "file", 100)[0]) == 100 + over
    else:
        with pytest.raises(UnreadableFileError, match="more than the 100 allowed"):
            read_inside(folder, "file", 100)


@pytest.mark.parametrize("seconds", [-(10**12), 10**15, NOON])
def test_a_file_may_have_any_time(folder: Path, seconds: int) -> None:
    try:
        os.utime(folder / "images" / "1.png", (seconds, seconds))
    except OverflowError:
        pytest.skip("this file system cannot hold such a time")
    time = read_inside(folder, "images/1.png", 10_000)[1]
    assert len(time) == 20
    assert "1970-01-01T00:00:00Z" <= time <= "9999-12-31T23:59:59Z"


def test_a_table_that_leads_out_of_the_folder_is_not_read(folder: Path, store: RawStore) -> None:
    outside = folder.parent / "outside.jsonl"
    shutil.copy(folder / "records.jsonl", outside)
    with pytest.raises(ValueError, match="leads out of the folder"):
        gather(replace(source_of(folder), records="../outside.jsonl"), store)
    (folder / "link.jsonl").symlink_to(outside)
    with pytest.raises(ValueError, match="leads out of the folder"):
        gather(replace(source_of(folder), records="link.jsonl"), store)


def test_a_link_that_is_put_in_the_way_after_the_look_is_not_followed(folder: Path) -> None:
    (folder / "link.png").symlink_to(folder / "images" / "1.png")
    (folder / "all").symlink_to("images")
    assert inside._read(folder, ("images", "1.png"), "1.png", 10_000)[0] == png(1)
    with pytest.raises(UnreadableFileError, match="no plain file but a link"):
        inside._read(folder, ("link.png",), "link.png", 10_000)
    with pytest.raises(NotADirectoryError):
        inside._read(folder, ("all", "1.png"), "all/1.png", 10_000)
