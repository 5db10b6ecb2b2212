"""Baselines in folders like checkpoints: `model.safetensors` with the counts, `config.json` with what they mean.

Nothing is pickled, and nothing is believed: digests, sizes and the order of the counts are checked when read.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from model.baselines import GUESSES, ChainModel, Counts2D, GuessModel
from model.counts import ContextCounts, CountChain
from model.language_model import LanguageModel
from model.tensor_files import check_size, packed, read_tensors, weights_digest
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.release import code_version
from pipeline.tables import build

WEIGHTS, CONFIG = "model.safetensors", "config.json"
LARGEST_CONFIG = 2**20  # bytes
FIELDS = ("contexts", "totals", "starts", "tokens", "counts")  # of one level of a chain
KINDS = {torch.int64, torch.uint8, torch.float64}
Baseline = GuessModel | ChainModel | Counts2D


@dataclass(frozen=True, slots=True, kw_only=True)
class VocabularyTold:
    """Which ids the counts are about."""

    digest: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BaselineInfo:
    """What `config.json` of a baseline says."""

    kind: Literal["guess", "chain", "counts2d"]
    name: str
    vocabulary: VocabularyTold
    dataset: DatasetVersion  # whose training split was counted
    weights: str  # digest of the counts
    code_version: str
    order: int = 0  # tokens of a chain's n-gram
    trust: float = 0.0  # of a guess
    parameters: int = 0  # of a guess
    leaning: dict[str, tuple[float, ...]]  # of each chain


def is_baseline(folder: Path) -> bool:
    """Tell whether a folder holds a saved baseline: its config names a kind, which a network's does not."""
    path = folder / CONFIG
    if not path.is_file() or path.stat().st_size > LARGEST_CONFIG:
        return False
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and told.get("kind") in ("guess", "chain", "counts2d")


def save_baseline(folder: Path, model: LanguageModel, vocabulary: Vocabulary, dataset: DatasetVersion) -> None:
    """Write a fitted baseline; the same bytes for the same counts. The config comes last: without it there is none.

    ValueError when the model is none of the baselines, or of another vocabulary.
    """
    if not isinstance(model, Baseline):
        raise ValueError(f"{model.name} is no baseline of this project: save a network as a checkpoint.")  # noqa: TRY004 - a wrong choice
    tensors = {name: torch.from_numpy(array) for name, array in _arrays(model).items()}
    info = BaselineInfo(
        kind="guess" if isinstance(model, GuessModel) else "chain" if isinstance(model, ChainModel) else "counts2d",
        name=model.name,
        vocabulary=VocabularyTold(digest=vocabulary.digest, size=len(vocabulary)),
        dataset=dataset,
        weights=weights_digest(tensors),
        code_version=code_version(),
        order=model.order if isinstance(model, ChainModel) else 0,
        trust=model.trust if isinstance(model, GuessModel) else 0.0,
        parameters=model.parameters if isinstance(model, GuessModel) else 0,
        leaning={name: chain.leaning for name, chain in _chains(model).items()},
    )
    _restored(info, tensors, len(vocabulary))  # what could not be read again is not written
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    _write(folder / WEIGHTS, packed(tensors, {}))
    _write(folder / CONFIG, (json.dumps(asdict(info), indent=2, allow_nan=False) + "\n").encode())


def read_baseline_info(folder: Path) -> BaselineInfo:
    """Return what a baseline's config says; ValueError when it is none."""
    path = folder / CONFIG
    check_size(path, LARGEST_CONFIG)
    try:
        return cast("BaselineInfo", build(BaselineInfo, json.loads(path.read_text(encoding="utf-8")), path.name))
    except (AttributeError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} describes no baseline ({error}): fit and save it again.") from error


def load_baseline(folder: Path, vocabulary: Vocabulary) -> tuple[Baseline, BaselineInfo]:
    """Read a baseline back; ValueError says what is missing, changed, damaged or of another vocabulary."""
    info = read_baseline_info(folder)
    if (info.vocabulary.digest, info.vocabulary.size) != (vocabulary.digest, len(vocabulary)):
        raise ValueError(
            f"{folder} counts ids of the vocabulary {info.vocabulary.digest[:12]}, but {vocabulary.digest[:12]} is in "
            "use: take the release it was fitted to."
        )
    tensors = read_tensors(folder / WEIGHTS)
    if not {tensor.dtype for tensor in tensors.values()} <= KINDS or weights_digest(tensors) != info.weights:
        raise ValueError(f"the counts in {folder} are not those its {CONFIG} names: restore or fit them again.")
    try:
        return _restored(info, tensors, len(vocabulary)), info
    except KeyError as error:
        raise ValueError(f"{folder} lacks counts ({error}): restore or fit it again.") from error


def _write(path: Path, body: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(body)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _chains(model: Baseline) -> dict[str, CountChain]:
    if isinstance(model, Counts2D):
        return {"pixels": model.pixels, "text": model.text}
    return {"chain": model.chain} if isinstance(model, ChainModel) else {}


def _arrays(model: Baseline) -> dict[str, Shaped[np.ndarray, "_"]]:
    if isinstance(model, GuessModel):
        return {"modes": model.modes, "unigram": model.unigram}
    return {
        f"{name}.{i}.{field}": getattr(level, field)
        for name, chain in _chains(model).items()
        for i, level in enumerate(chain.levels)
        for field in FIELDS
    }


def _restored(info: BaselineInfo, tensors: Mapping[str, Tensor], size: int) -> Baseline:
    arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
    if info.kind == "guess":
        return _guess(info, arrays, size)
    names = ("chain",) if info.kind == "chain" else ("pixels", "text")
    expected = {f"{name}.{i}.{field}" for name in names for i in range(len(info.leaning[name])) for field in FIELDS}
    if set(arrays) != expected or set(info.leaning) != set(names):
        odd = sorted(set(arrays) ^ expected) or sorted(info.leaning)
        raise ValueError(f"the counts of {info.name} do not fit its config (see {odd[0]!r}): fit it again.")
    chains = {name: _chain(name, info.leaning[name], arrays, size) for name in names}
    if info.kind == "counts2d":
        return Counts2D(name=info.name, pixels=chains["pixels"], text=chains["text"])
    if info.order != len(chains["chain"].levels):
        raise ValueError(f"order is {info.order}, but the counts have {len(chains['chain'].levels)} levels.")
    return ChainModel(name=info.name, order=info.order, chain=chains["chain"])


def _guess(info: BaselineInfo, arrays: Mapping[str, Any], size: int) -> GuessModel:
    modes, unigram = arrays["modes"], arrays["unigram"]
    sound = (
        info.name in GUESSES
        and set(arrays) == {"modes", "unigram"}
        and (modes.dtype, modes.shape, unigram.dtype, unigram.shape) == (np.int64, (2,), np.float64, (size,))
        and bool(((modes >= 0) & (modes < size)).all())
        and bool((unigram > 0).all() and (unigram < 1).all())
        and abs(float(unigram.sum()) - 1) < 1e-9  # noqa: PLR2004 - rounding
        and 0 < info.trust < 1
    )
    if not sound:
        raise ValueError(f"{info.name} is no guess with modes, trust and frequencies of {size} ids: fit it again.")
    return GuessModel(name=info.name, modes=modes, trust=info.trust, unigram=unigram, parameters=info.parameters)


def _chain(name: str, leaning: tuple[float, ...], arrays: Mapping[str, Any], size: int) -> CountChain:
    if not leaning or not all(0 < one < np.inf for one in leaning):
        raise ValueError(f"{name} leans by {leaning}: each level needs a finite number above 0.")
    levels = []
    for i in range(len(leaning)):
        level = ContextCounts(**{field: arrays[f"{name}.{i}.{field}"] for field in FIELDS})
        if not _sound(level, size):
            raise ValueError(f"level {i} of {name} holds no counts that fit together: fit the baseline again.")
        levels.append(level)
    return CountChain(levels=tuple(levels), size=size, leaning=leaning)


def _sound(level: ContextCounts, size: int) -> bool:
    """Tell whether contexts ascend, tokens are ids, and totals are what their counts add up to."""
    arrays = [getattr(level, field) for field in FIELDS]
    if any(
        array.ndim != 1 or array.dtype != (np.uint8 if field == "tokens" else np.int64)
        for field, array in zip(FIELDS, arrays, strict=True)
    ):
        return False
    contexts, totals, starts, tokens, counts = arrays
    kinds = np.diff(starts)
    if len(starts) != len(contexts) + 1 or len(totals) != len(contexts) or len(tokens) != len(counts):
        return False
    if starts[0] != 0 or starts[-1] != len(tokens) or bool((kinds < 1).any()):
        return False
    summed = np.add.reduceat(counts, starts[:-1]) if len(contexts) else np.zeros(0, dtype=np.int64)
    pairs = np.repeat(np.arange(len(contexts)), kinds) * (int(size) + 1) + tokens
    return bool(
        (np.diff(contexts) > 0).all()
        and (counts > 0).all()
        and (tokens < size).all()
        and (np.diff(pairs) > 0).all()
        and (summed == totals).all()
    )
