"""Folders of pictures made by hand, and what a crawl of one says."""

import io
import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from pipeline.crawl.raw import Crawl, CrawlReport
from pipeline.crawl.source_files import load_source
from pipeline.crawl.sources import FolderSource
from pipeline.records import Resource

NOON, EVENING = 1_767_268_800, 1_767_290_400  # 2026-01-01, 12:00 and 18:00 UTC


def png(seed: int) -> bytes:
    """Return a small picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 10, 3), dtype=np.uint8)
    body = io.BytesIO()
    Image.fromarray(pixels).save(body, format="PNG")
    return body.getvalue()


def record(number: int, **fields: object) -> dict[str, object]:
    """Return the record of one creature; `fields` replaces some."""
    text = f"Beast number {number} is small and lives near the river. It eats {number} ants a day."
    plain: dict[str, object] = {"id": f"beast{number}", "name": f"Beast {number}", "text": text}
    return plain | {"image": f"images/{number}.png"} | fields


def write_table(folder: Path, records: list[dict[str, object]], time: int = NOON) -> None:
    table = folder / "records.jsonl"
    table.write_text("".join(json.dumps(one) + "\n" for one in records), encoding="utf-8")
    os.utime(table, (time, time))


def write_picture(folder: Path, name: str, body: bytes, time: int = NOON) -> Path:
    path = folder / "images" / name
    path.write_bytes(body)
    os.utime(path, (time, time))
    return path


def make_folder(folder: Path) -> Path:
    """Write a folder of four creatures."""
    (folder / "images").mkdir(parents=True)
    for i in range(1, 5):
        write_picture(folder, f"{i}.png", png(i))
    write_table(folder, [record(i) for i in range(1, 5)])
    return folder


def source_of(folder: Path) -> FolderSource:
    source = load_source(folder)
    assert isinstance(source, FolderSource)
    return source


def counts(crawl: Crawl) -> tuple[int, int, int, int]:
    report = crawl.report or CrawlReport()
    return report.fetched, report.carried, report.resumed, report.failed


def line(crawl: Crawl, url: str) -> Resource:
    (found,) = (resource for resource in crawl.resources if resource.url == url)
    return found
