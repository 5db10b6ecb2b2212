"""Who reigns over each dataset, and what was decided on each version: files that a kill cannot tear.

`DATA/champions/<org>/<name>/` holds `decisions.jsonl`, one line for each version that was handled, only ever added to;
`champion.json`, the model that the last promotion made; and `models/vX.Y.Z/`, every model that ever was promoted. What
is read from there is checked as anything from outside: names before they become paths, sizes before they are read.
"""

import json
import os
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, cast

from pipeline.manifest_file import NAME, VERSION
from pipeline.publishing.folder_store import require_name
from pipeline.records import DatasetVersion
from pipeline.release import write_text
from pipeline.tables import build

Outcome = Literal["promoted", "kept", "skipped"]
CHAMPIONS, MODELS = "champions", "models"  # folders: of the data root, of a dataset's decisions
DECISIONS, CHAMPION = "decisions.jsonl", "champion.json"
MAX_LINE, MAX_DECISIONS, MAX_CHAMPION = 1 << 18, 1 << 26, 1 << 16  # bytes; a real line has one or two kB
MAX_CANDIDATES = 1_000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_REVISION = re.compile(r"|[0-9a-f]{40}")
_RUN = re.compile(r"[\w][\w.-]{0,254}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One of the models that were trained on a version, and what it pays for the records it was selected on."""

    name: str  # as it stands in tables
    run: str  # name of its folder in DATA/runs
    preset: str
    seed: int
    validation_bits: float  # bits per record of the validation split


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenger(Candidate):
    """The candidate that paid least on the validation split, and what it pays on the test split."""

    bits: float  # bits per record of the test split


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The champion that reigned when a version came."""

    ref: str  # org/model@v1.0.0
    bits: float | None = None  # bits per record of the new version's test split; None when it cannot score them


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedBits:
    """How much more the challenger `a` pays than the champion `b` for the same record; negative when it is better."""

    a: str
    b: str
    difference_bits: float
    ci95: tuple[float, float]
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ChampionModel:
    """Where a promoted model lies."""

    ref: str  # org/model@v1.0.0
    folder: str  # relative to the data root: champions/<org>/<name>/models/v1.0.0
    revision: str  # commit of its repo on the Hub; empty when it stands in the folder alone

    @property
    def reference(self) -> str:
        """What a command takes: the version on the Hub, else the folder below the data root."""
        return f"hub:{self.ref}" if self.revision else self.folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided on one version of a dataset, and all that it was decided from."""

    time: str  # ISO 8601, UTC
    dataset: DatasetVersion
    store: str  # where the version was read
    key: str  # SHA-256 of what was asked: the dataset's digest, presets, recipe and seed
    outcome: Outcome
    why: str  # one sentence
    candidates: tuple[Candidate, ...] = ()  # all that were trained
    challenger: Challenger | None = None
    champion_before: Before | None = None
    paired: PairedBits | None = None  # challenger against that champion, on the version's test split
    model: ChampionModel | None = None  # of a promotion

    def to_json(self) -> str:
        """Return the decision as one line."""
        return json.dumps(asdict(self), sort_keys=True, allow_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Champion:
    """The model that reigns over a dataset."""

    ref: str  # org/model@v1.0.0
    folder: str  # relative to the data root
    run: str  # name of its folder in DATA/runs
    dataset: DatasetVersion  # that it was trained on
    bits: float  # bits per record of that version's test split
    since: str  # ISO 8601, UTC


@dataclass(frozen=True, slots=True)
class Champions:
    """The decisions and champions of all datasets, in `DATA/champions`."""

    folder: Path

    def home(self, repo_id: str) -> Path:
        """Return a dataset's own folder; ValueError for a name that is no org/name."""
        return self.folder / require_name(repo_id)

    def repos(self) -> tuple[str, ...]:
        """Return the datasets on which something was decided, by name."""
        found = (path.parent for path in self.folder.glob(f"*/*/{DECISIONS}"))
        names = (f"{path.parent.name}/{path.name}" for path in found)
        return tuple(sorted(filter(NAME.fullmatch, names)))

    def decisions(self, repo_id: str) -> tuple[Decision, ...]:
        """Return what was decided, oldest first; a line that a kill tore never was. ValueError for a damaged file."""
        path = self.home(repo_id) / DECISIONS
        if not _stands(path):
            return ()
        lines = _bounded(path, MAX_DECISIONS).split("\n")[:-1]  # what follows the last end of line was torn
        return tuple(
            _decision(line, repo_id, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()
        )

    def champion(self, repo_id: str) -> Champion | None:
        """Return who reigns, None before the first promotion; ValueError for a damaged file."""
        path = self.home(repo_id) / CHAMPION
        if not _stands(path):
            return None
        found = cast("Champion", build(Champion, _parsed(_bounded(path, MAX_CHAMPION), str(path)), str(path)))
        _require_version(found.dataset, repo_id, str(path))
        _require_folder(found.folder, repo_id, found.ref, str(path))
        _require(_RUN.fullmatch(found.run) is not None, f"{path}: run", found.run)
        _require_ref(found.ref, str(path))
        _require_time(found.since, str(path))
        return found

    def add(self, decision: Decision) -> None:
        """Write a decision down for ever; only the holder of the dataset's lock may. A torn end is cut off first."""
        path = self.home(decision.dataset.repo_id) / DECISIONS
        path.parent.mkdir(parents=True, exist_ok=True)
        _stands(path)
        with path.open("a+b") as file:
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
            file.write(decision.to_json().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def crown(self, repo_id: str, champion: Champion) -> None:
        """Write down who reigns, whole or not at all."""
        write_text(self.home(repo_id) / CHAMPION, json.dumps(asdict(champion), indent=2, sort_keys=True) + "\n")


def model_folder(repo_id: str, version: str) -> str:
    """Return where a promoted model of a dataset lies, relative to the data root."""
    return f"{CHAMPIONS}/{repo_id}/{MODELS}/{version}"


def read_decision(line: str, where: str) -> Decision:
    """Read a decision that a stranger may have written, such as a model's; ValueError names what is wrong."""
    told = _parsed(line, where)
    kinds = {"challenger": Challenger, "champion_before": Before, "paired": PairedBits, "model": ChampionModel}
    parts = {name: told.pop(name, None) for name in kinds}
    plain = cast("Decision", build(Decision, told, where))
    built = {name: _part(kinds[name], part, f"{where}: {name}") for name, part in parts.items()}
    found = replace(plain, **cast("dict[str, Any]", built))
    _check(found, where)
    return found


def _part(kind: type, told: object, where: str) -> object:
    """Return an optional part of a decision; what a champion paid may be unknown."""
    if told is None:
        return None
    if kind is not Before:
        return build(kind, told, where)
    unknown = isinstance(told, dict) and told.get("bits", 0) is None
    scored = cast(
        "_Scored", build(_Scored, {**told, "bits": 0.0} if isinstance(told, dict) and unknown else told, where)
    )
    return Before(ref=scored.ref, bits=None if unknown else scored.bits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """A champion with its bits, as it must stand in a file."""

    ref: str
    bits: float


def _check(decision: Decision, where: str) -> None:
    """Raise ValueError for a decision whose names are no names, or whose numbers are none."""
    _require_version(decision.dataset, decision.dataset.repo_id, where)
    if decision.time:  # a model's own decision has none: the same bytes whenever it is made
        _require_time(decision.time, where)
    _require(_DIGEST.fullmatch(decision.key) is not None, f"{where}: key", decision.key)
    _require(len(decision.candidates) <= MAX_CANDIDATES, f"{where}: candidates", len(decision.candidates))
    every = [*decision.candidates, *((decision.challenger,) if decision.challenger else ())]
    for one in every:
        _require(_RUN.fullmatch(one.run) is not None, f"{where}: run", one.run)
    for ref in (part.ref for part in (decision.model, decision.champion_before) if part is not None):
        _require_ref(ref, where)
    if (model := decision.model) is not None:
        _require_folder(model.folder, decision.dataset.repo_id, model.ref, where)
        _require(_REVISION.fullmatch(model.revision) is not None, f"{where}: revision", model.revision)


def _decision(line: str, repo_id: str, where: str) -> Decision:
    """Return a line of a dataset's decisions; ValueError when it is none, or another's."""
    found = read_decision(line, where)
    whole = found.outcome != "promoted" or (found.model is not None and found.challenger is not None)
    _require(whole, f"{where}: a promotion lacks its model or challenger; outcome", found.outcome)
    _require(found.dataset.repo_id == repo_id, f"{where}: repo_id", found.dataset.repo_id)
    _require_time(found.time, where)
    return found


def _stands(path: Path) -> bool:
    """Tell whether a file is there; ValueError for anything else, which is never opened: reading it may never end."""
    if os.path.lexists(path) and not path.is_file():
        raise ValueError(f"{path} is no plain file: move it away; what it decided is decided anew.")
    return path.is_file()


def _bounded(path: Path, limit: int) -> str:
    if path.stat().st_size > limit:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, more than {limit:,}: it is no file of ours.")
    return path.read_text(encoding="utf-8", errors="replace")


def _parsed(text: str, where: str) -> dict[str, Any]:
    """Return a JSON object; ValueError for anything else, however deep, long or odd."""
    if len(text) > MAX_LINE:
        raise ValueError(f"{where} has {len(text):,} characters, more than {MAX_LINE:,}: it is nothing of ours.")
    try:
        found = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where} is no JSON ({error}): move the file away; what it decided is decided anew."
        ) from None
    if not isinstance(found, dict):
        raise ValueError(f"{where} is {str(found)[:80]!r}: it must be a table of keys.")  # noqa: TRY004 - one error for all of a file
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _require_version(version: DatasetVersion, repo_id: str, where: str) -> None:
    _require(NAME.fullmatch(version.repo_id) is not None and version.repo_id == repo_id, f"{where}: repo_id", version)
    _require(VERSION.fullmatch(version.tag) is not None, f"{where}: tag", version.tag)
    _require(_DIGEST.fullmatch(version.digest) is not None, f"{where}: digest", version.digest)


def _require_ref(ref: str, where: str) -> None:
    name, _, version = ref.partition("@")
    _require(NAME.fullmatch(name) is not None and VERSION.fullmatch(version) is not None, f"{where}: ref", ref)


def _require_folder(folder: str, repo_id: str, ref: str, where: str) -> None:
    """Refuse a folder that is not the one of this version of the dataset's own models: it will be opened."""
    version = ref.partition("@")[2]
    own = VERSION.fullmatch(version) is not None and folder == model_folder(repo_id, version)
    _require(own, f"{where}: folder", folder)


def _require_time(time: str, where: str) -> None:
    try:
        right = datetime.fromisoformat(time).tzinfo is not None and time.isprintable()
    except ValueError:
        right = False
    _require(right, f"{where}: time", time)


def _require(right: bool, what: str, value: object) -> None:  # noqa: FBT001 - a condition
    if not right:
        raise ValueError(
            f"{what} is {str(value)[:80]!r}, which no run of ours wrote: move the file away and run again."
        )
