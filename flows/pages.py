"""Gather what a page shows, of a run or of a release, and write it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np

from flows.settings import DataRoot
from model.config import CORE_NAMES
from model.memorisation import Sprite, nearest_sprites
from model.render import render_report
from model.report_data import Anatomy, Beside, Pair, ReportData, RunFacts, read_log
from pipeline.crawl.raw import RawStore
from pipeline.records import SPLITS
from pipeline.release import Release, mode_of, write_text
from pipeline.tokenizer import decode_record

PAIRS = 12


def release_page(release: Release, root: DataRoot, page: Path) -> Path:
    """Write the page of a release alone."""
    write_text(page, render_report(_about_release(release, root)), mode_of(release))
    return page


def run_page(release: Release, run: Path, root: DataRoot, page: Path | None = None) -> Path:
    """Write the page of a run: its release, its curves, its judgement, its drawings."""
    from model.evaluate import read_evaluation
    from model.history import read_history
    from model.runs import EVALUATION, read_samples

    target = page or run / "report.html"
    evaluation = read_evaluation(run / EVALUATION) if (run / EVALUATION).is_file() else None
    samples = read_samples(run)
    data = replace(
        _about_release(release, root),
        run=_facts(run),
        log=read_log(run / "log.jsonl"),
        history=tuple(moment for moment in read_history(run) if moment.train_bits is not None),
        evaluation=evaluation,
        samples=samples,
        beside=_beside(release, [one.sprite for one in samples.from_nothing]),
    )
    write_text(target, render_report(data), mode_of(release))
    return target


def _about_release(release: Release, root: DataRoot) -> ReportData:
    manifest = release.manifest
    return ReportData(
        title=f"{manifest.name} {manifest.version}",
        palette=release.palette,
        dataset=release.version,
        manifest=manifest,
        pairs=_pairs(release, RawStore(root.raw(manifest.source))),
        anatomy=_anatomy(release),
    )


def _pairs(release: Release, store: RawStore) -> tuple[Pair, ...]:
    """Return records of the training split, evenly spread, beside their raw pictures; none without a raw store."""
    records = release.table("records", "train")
    tokens = release.table("tokens", "train", ["tokens"]).column("tokens")
    places = np.linspace(0, records.num_rows - 1, min(2 * PAIRS, records.num_rows)).astype(int).tolist()
    found = (
        (records.slice(i, 1).to_pylist()[0], np.array(tokens[i].as_py(), dtype=np.uint8))
        for i in places
        if store.has(records.column("sha256")[i].as_py())
    )
    return tuple(
        Pair(
            name=row["name"],
            caption=row["caption"],
            original_png=store.get(row["sha256"]),
            sprite=decode_record(ids, release.vocabulary)[0],
            source_url=row["source_url"],
            licence=row["licence"],
        )
        for row, ids in islice(found, PAIRS)
    )


def _beside(release: Release, drawn: Sequence[Sprite]) -> tuple[Beside, ...]:
    """Return drawn pictures beside the training pictures that are nearest to them, the nearest first."""
    tokens = release.table("tokens", "train", ["tokens"]).column("tokens").to_pylist()
    if not drawn or not tokens:
        return ()
    train = [decode_record(np.array(ids, dtype=np.uint8), release.vocabulary)[0] for ids in tokens]
    found = nearest_sprites(drawn, train)
    pairs = [
        Beside(
            drawn=sprite,
            nearest=train[place][:, ::-1] if mirrored else train[place],
            agreement=float(agreement),
            mirrored=bool(mirrored),
        )
        for sprite, place, mirrored, agreement in zip(
            drawn, found.place.tolist(), found.mirrored.tolist(), found.agreement.tolist(), strict=True
        )
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.agreement))


def _anatomy(release: Release) -> Anatomy | None:
    """Return the first record of the first split that has one, to be taken apart."""
    for split in SPLITS:
        names = release.table("records", split, ["name"])
        if names.num_rows:
            ids = release.table("tokens", split, ["tokens"]).column("tokens")[0].as_py()
            name = names.column("name")[0].as_py()
            return Anatomy(name=name, ids=np.array(ids, dtype=np.uint8), k=release.manifest.k)
    return None


def _facts(run: Path) -> RunFacts:
    """Return what was trained, from the run's config.json."""
    from model.evaluate import read_evaluation

    told = json.loads((run / "config.json").read_text(encoding="utf-8"))
    settings = {**told["model"], **told["train"]}
    parameters = 0
    if (run / "evaluation.json").is_file():
        rows = read_evaluation(run / "evaluation.json").models
        parameters = next((row.parameters for row in rows if row.kind == "network"), 0)
    shown = tuple((name.replace("_", " "), str(value)) for name, value in settings.items() if value is not None)
    return RunFacts(model=CORE_NAMES.get(told["model"]["core"], "network"), parameters=parameters, settings=shown)
