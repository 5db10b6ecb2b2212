"""How ids and windows lie in Parquet: bytes a token, the cost of writing, and the rate of four readers, per layout.

`python -m tests.bench layouts` prints the table from which `pipeline.schema` was chosen. One thread everywhere, and
the processor's time, not the clock's: a busy machine would shuffle the layouts.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("POLARS_MAX_THREADS", "1")  # read once, when polars is imported

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from rich.console import Console
from rich.table import Table

from palettes.palette import load_palette
from palettes.vocabulary import Vocabulary
from pipeline.quantize import quantize
from pipeline.records import Record
from pipeline.rows import tokens_batch, windows_batch
from pipeline.sample.bestiary import load_bestiary
from pipeline.sample.wiki import sample_folder
from pipeline.schema import Codec, Layout, features, record_layouts, windows_config
from pipeline.shards import ShardWriter
from pipeline.text import normalize_text
from pipeline.tokenizer import encode_record, grids
from pipeline.windows import record_windows

RECORDS = 1000
BATCH = 128  # records
PATIENCE = 0.5  # seconds that a slow reader is given; its rate is that of the rows it came through
TOKEN_LEAF = "tokens.list.element"  # noqa: S105 - no password
WINDOW_LEAF = "windows.list.element.list.element.list.element"
PACKINGS: tuple[tuple[Codec, int | None], ...] = (("zstd", 3), ("zstd", 9), ("snappy", None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One way of laying rows out."""

    name: str
    layout: Layout
    batches: Callable[[], Iterator[pa.RecordBatch]]
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one layout costs; rates in million tokens a second of processor time."""

    name: str
    chosen: bool
    bytes_a_token: float
    writes: float
    pyarrow: float
    opens: float  # `datasets` copying the Parquet file into its cache, once
    datasets: float  # numpy format as it stands
    datasets_uint8: float  # numpy format with dtype uint8
    duckdb: float
    polars: float


def report(console: Console) -> None:
    """Measure all layouts and print the table; a chosen one carries a star."""
    records = sample_records(RECORDS)
    tokens = sum(len(record.ids) for record in records)
    title = f"Layouts: {len(records):,} records of {tokens / len(records):,.0f} tokens; rates in Mtoken a CPU second"
    columns = ("B/token", "writes", "pyarrow", "datasets opens", "datasets", "… uint8", "duckdb", "polars")
    table = Table("layout", title=title)
    for column in columns:
        table.add_column(column, justify="right")
    for row in rows(records):
        console.print(f"{row.name}: {row.bytes_a_token:.3f} B/token")
        rates = (row.writes, row.pyarrow, row.opens, row.datasets, row.datasets_uint8, row.duckdb, row.polars)
        table.add_row(f"{'* ' * row.chosen}{row.name}", f"{row.bytes_a_token:.3f}", *(f"{rate:,.3g}" for rate in rates))
    console.print(table)


def rows(records: Sequence[Record] | None = None) -> Iterator[Measured]:
    """Yield one layout after the other."""
    found = sample_records(RECORDS) if records is None else records
    lengths = np.array([len(record.ids) for record in found])
    pa.set_cpu_count(1)
    for candidate in [*_token_candidates(found), *_window_candidates(found)]:
        yield _measured(candidate, lengths)


def sample_records(count: int) -> list[Record]:
    """Return records of the bundled bestiary; from its end on again, mirrored."""
    folder, vocabulary = sample_folder(), Vocabulary()
    beasts = load_bestiary(folder)
    made = []
    for number in range(count):
        beast = beasts[number % len(beasts)]
        sprite = _sprite((folder / "images" / beast.image).read_bytes())[:, :: -1 if number >= len(beasts) else 1]
        caption = normalize_text(f"Number {number}. {beast.text}").text
        made.append(_record(f"{number:06d}", np.ascontiguousarray(sprite), caption, vocabulary))
    return made


def _record(key: str, sprite: np.ndarray, caption: str, vocabulary: Vocabulary) -> Record:
    ids = encode_record(sprite, caption, vocabulary)
    return Record(
        id=key, group=key, number=int(key), name=key, form="", language="en", sprite=sprite, caption=caption, ids=ids,
        source_url="", image_url="", revision="", retrieved_at="", sha256="", licence="", attribution="",
    )  # fmt: skip


def _sprite(body: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(body)).convert("RGBA")
    image = image.crop(image.getbbox())
    image.thumbnail((25, 25), Image.Resampling.NEAREST)
    flat = Image.new("RGB", image.size, (252, 252, 252))
    flat.paste(image, mask=image)
    return quantize(np.asarray(flat), load_palette("nes"))


def _batched(records: Sequence[Record], made: Callable[[Sequence[Record]], pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return (made(records[start : start + BATCH]) for start in range(0, len(records), BATCH))


def _token_candidates(records: Sequence[Record]) -> Iterator[Candidate]:
    ours = record_layouts()["tokens"]
    encodings = {
        "plain": replace(ours, byte_split=()),
        "dictionary": replace(ours, byte_split=(), dictionary=(TOKEN_LEAF,)),
        "byte-stream-split": replace(ours, byte_split=(TOKEN_LEAF,)),
    }
    for encoding, layout in encodings.items():
        for codec, level in PACKINGS:
            candidate = replace(layout, codec=codec, level=level)
            yield Candidate(
                name=f"ids list<uint8>, {encoding}, {_packed(codec, level)}",
                layout=candidate,
                batches=lambda: _batched(records, lambda some: tokens_batch(some, ours)),
                chosen=candidate == ours,
            )


def _window_candidates(records: Sequence[Record]) -> Iterator[Candidate]:
    for k in (3, 5):
        ours = record_layouts((k,))[windows_config(k)]

        def batches(k: int = k, layout: Layout = ours) -> Iterator[pa.RecordBatch]:
            return _batched(records, lambda some: windows_batch(some, k, layout))

        for level in (3, 5, 9):
            split = replace(ours, byte_split=(WINDOW_LEAF,), codec="zstd", level=level)
            name = f"windows k={k} Array3D, byte-stream-split, zstd {level}"
            yield Candidate(name=name, layout=split, batches=batches, chosen=split == ours)
        plain = replace(ours, byte_split=(), dictionary=(WINDOW_LEAF,), codec="snappy", level=None)
        yield Candidate(name=f"windows k={k} Array3D, dictionary, snappy", layout=plain, batches=batches)
        bare = replace(plain, schema=ours.schema.remove_metadata())

        def nameless(batches: Callable[[], Iterator[pa.RecordBatch]] = batches) -> Iterator[pa.RecordBatch]:
            return (batch.replace_schema_metadata() for batch in batches())

        name = f"windows k={k} list<list<list<uint8>>>, dictionary, snappy"
        yield Candidate(name=name, layout=bare, batches=nameless)
        yield _blob(records, k)
    yield _original(records)


def _blob(records: Sequence[Record], k: int) -> Candidate:
    """Return the layout of one binary value a record: its k·k planes one behind the other."""
    schema = pa.schema([("id", pa.string()), ("windows", pa.binary())])

    def made(some: Sequence[Record]) -> pa.RecordBatch:
        planes = [record_windows(grids(record.ids), k).transpose(1, 2, 0).tobytes() for record in some]
        return pa.RecordBatch.from_pydict({"id": [record.id for record in some], "windows": planes}, schema=schema)

    layout = Layout(schema=schema, codec="zstd", level=9)
    name = f"windows k={k} plane-major blob, zstd 9"
    return Candidate(name=name, layout=layout, batches=lambda: _batched(records, made))


def _original(records: Sequence[Record]) -> Candidate:
    """Return the original's layout: nested lists of 64-bit numbers, everything by default."""
    ours = record_layouts((3,))[windows_config(3)]
    schema = pa.schema([("id", pa.string()), ("windows", pa.list_(pa.list_(pa.list_(pa.int64()))))])
    layout = Layout(schema=schema, dictionary=("id", WINDOW_LEAF), codec="snappy", level=None)
    return Candidate(
        name="windows k=3 list<list<list<int64>>>, snappy (the original's)",
        layout=layout,
        batches=lambda: _batched(records, lambda some: windows_batch(some, 3, ours).cast(schema)),
    )


def _packed(codec: str, level: int | None) -> str:
    return codec if level is None else f"{codec} {level}"


def _measured(candidate: Candidate, lengths: np.ndarray) -> Measured:
    tokens = int(lengths.sum())
    batches = list(candidate.batches())
    column = candidate.layout.schema.names[1]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"

        def write() -> None:
            with ShardWriter(path.parent, path.name, candidate.layout) as writer:
                for batch in batches:
                    writer.write(batch)
                writer.close()

        return Measured(
            name=candidate.name,
            chosen=candidate.chosen,
            writes=_rate(write, tokens),
            bytes_a_token=path.stat().st_size / tokens,
            pyarrow=_rate(lambda: pq.read_table(path, columns=[column], use_threads=False), tokens),
            **_through_datasets(path, candidate.layout, lengths),
            duckdb=_rate(lambda: _duckdb(path, column), tokens),
            polars=_rate(lambda: pl.read_parquet(path, columns=[column]), tokens),
        )


def _duckdb(path: Path, column: str) -> object:
    with duckdb.connect(config={"threads": 1}) as connection:
        return connection.sql(f"select {column} from '{path}'").to_arrow_table()  # noqa: S608 - our own names


def _through_datasets(path: Path, layout: Layout, lengths: np.ndarray) -> dict[str, float]:
    """Return the rates at which `datasets` copies the file into its cache, and gives rows out as numpy arrays.

    It is told the features that the layout states, as a release's card does: from a file alone it never finds
    Array3D, and goes through nested lists instead.
    """
    import datasets

    datasets.disable_progress_bars()
    column, cache = layout.schema.names[1], str(path.parent / "cache")
    stated = datasets.Features.from_dict(features(layout)) if layout.schema.metadata else None
    start = time.process_time()
    found = datasets.Dataset.from_parquet(str(path), cache_dir=cache, features=stated).select_columns([column])
    opens = float(lengths.sum()) / (time.process_time() - start) / 1e6

    def read(view: datasets.Dataset) -> float:
        start, done = time.process_time(), 0
        for batch in view.iter(batch_size=50):
            done += len(batch[column])
            if time.process_time() - start > PATIENCE:
                break
        return float(lengths[:done].sum()) / (time.process_time() - start) / 1e6

    uint8 = found.with_format("numpy", dtype=np.uint8)
    return {
        "opens": opens,
        "datasets": max(read(found.with_format("numpy")) for _ in range(2)),
        "datasets_uint8": max(read(uint8) for _ in range(2)),
    }


def _rate(work: Callable[[], object], tokens: int, runs: int = 2) -> float:
    times = []
    for _ in range(runs):  # the best run: whatever else happens only ever adds
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return tokens / min(times) / 1e6
