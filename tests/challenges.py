"""A dataset that a tiny network learns in seconds, better than every baseline: for tests of champions.

Each row of a picture repeats three pixels of its own. Who counts sees four neighbours, none of them three columns back,
and pays a bit for most pixels; a recurrent network pays for the first three of a row.
"""

import io
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flows import challenge, model_tasks
from flows.champion import promoting
from flows.champion import tasks as champion_tasks
from flows.champion.champions import CHAMPIONS, Decision
from flows.champion.promoting import PromotionEvent
from pipeline.build import build
from pipeline.checks import check
from pipeline.publishing.places import Places
from pipeline.publishing.references import destination
from pipeline.records import DatasetVersion
from tests.raw_stores import Creature, creatures, make_store, sample_source

NAME, MODEL = "tests/rows", "tests/rows-model"
COUNT = 60  # creatures of the first version; the second has ten more
SIDE, PERIOD = 12, 3
TEXT = "A small beast in blue."
GOOD = {"epochs": 20, "learning_rate": 1e-2, "batch_tokens": 512}  # beats every baseline
FAIR = {**GOOD, "epochs": 16}  # too, but by less
POOR = {**GOOD, "epochs": 1}  # does not
RED, BLUE = (248, 56, 0), (0, 120, 248)


def beasts(count: int, changed: int = 0) -> list[Creature]:
    """Return creatures with pictures of rows; the first `changed` have other pictures than usual."""
    plain = creatures(count)
    return [
        replace(one, text=TEXT, picture=_rows(one.number + (10_000 if place < changed else 0)))
        for place, one in enumerate(plain)
    ]


def publish(root: Path, made: list[Creature], store: str | None = None) -> DatasetVersion:
    """Publish a build of these creatures, in the data root unless a store is named; no plots, which take seconds."""
    to = destination(store, Places(releases=root / "releases", cache=root / "hub"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.cards.card.plots", lambda *_: {})
        source = sample_source()
        loose = replace(source, assertions=replace(source.assertions, text_ratio=(0.0, 1.0)))
        built = build(loose, make_store(root / "raw" / f"{len(made)}", made), root / "built", name=to.name or NAME)
        return to.store.publish(built.with_manifest(gates=check(built))).version


@dataclass(frozen=True, slots=True)
class First:
    """A data root with two versions, a run of each, and what was decided on the first one."""

    root: Path
    decision: Decision
    told: tuple[PromotionEvent, ...]


@cache
def first_decision(folder: Path) -> First:
    """Return it, made once for a folder: it takes two trainings."""
    root = folder / "first"
    for count in (COUNT, COUNT + 10):
        publish(root, beasts(count))
    with without_prefect() as told:
        challenged(root, "v1.1.0")
        shutil.rmtree(root / CHAMPIONS)
        told.clear()
        return First(root, challenged(root, "v1.0.0"), tuple(told))


def champions_files(root: Path) -> dict[str, bytes]:
    """Return what lies in the folder of champions, but for the locks."""
    found = (path for path in sorted((root / CHAMPIONS).rglob("*")) if path.is_file())
    return {str(path.relative_to(root)): path.read_bytes() for path in found if not path.name.endswith(".lock")}


@contextmanager
def without_prefect() -> Iterator[list[PromotionEvent]]:
    """Let the flow's tasks be the functions that they wrap, without a server; yield the events that went out."""
    told: list[PromotionEvent] = []
    with pytest.MonkeyPatch.context() as patch:
        for module in (champion_tasks, model_tasks):
            for name, value in list(vars(module).items()):
                if type(value).__name__ == "Task":
                    patch.setattr(module, name, value.fn)
        patch.setattr(promoting, "announce", told.append)
        yield told


def challenged(root: Path, tag: str, **asked: Any) -> Decision:
    """Run the flow's function on a version with the recipe that wins, unless something else is asked."""
    usual: dict[str, Any] = {"presets": ("tiny",), "recipe": GOOD}
    found: Decision = challenge.challenge.fn(NAME, tag, data=str(root), **(usual | asked))
    return found


def forked(work: Callable[[], object]) -> int:
    """Do something in a process of its own; return how that ended, negative when it was killed."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
    finally:
        os._exit(0)


def killed(work: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    """Return a step whose process is killed (kill -9) before it begins, or once it is done."""

    def step(*given: Any, **named: Any) -> Any:
        if after:
            work(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    return step


def _rows(seed: int) -> bytes:
    pattern = np.random.default_rng(seed).integers(0, 2, (SIDE, PERIOD))
    red = np.tile(pattern, SIDE // PERIOD)[..., None] == 1
    rgb = np.where(red, RED, BLUE).astype(np.uint8)
    body = io.BytesIO()
    Image.fromarray(rgb, "RGB").save(body, format="PNG")
    return body.getvalue()
