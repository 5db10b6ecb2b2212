"""Checkpoints: a folder with `model.safetensors` and `config.json`, written whole or not at all, checked when read.

A checkpoint knows what it was trained on and the colours it draws with, so that it needs nothing beside it.
Nothing is pickled: opening a stranger's checkpoint runs no code.
"""

import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model.config import ModelConfig
from model.config_checks import require_kind, require_kinds, require_sizes
from model.network import Network
from model.tensor_files import check_size, packed, read_tensors
from palettes.palette import Palette
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.release import code_version

WEIGHTS, CONFIG = "model.safetensors", "config.json"
STATE, PROGRESS = "training.safetensors", "training.json"
_COMMIT = re.compile(r"[0-9a-f]{40}")
LARGEST_CONFIG = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointInfo:
    """What `config.json` of a checkpoint says."""

    model: ModelConfig
    vocabulary: Vocabulary
    dataset: DatasetVersion
    training_digest: str  # of the TrainConfig
    step: int
    validation_bits: float | None  # per record; None before the first evaluation
    code_version: str = field(default_factory=code_version)

    def to_json(self) -> dict[str, Any]:
        """Return the keys of interface.md and what is needed to draw."""
        palette = self.vocabulary.palette
        return {
            "model": self.model.to_json(),
            "vocabulary": {
                "digest": self.vocabulary.digest,
                "size": len(self.vocabulary),
                "palette": palette.name,
                "colours": [bytes(rgb).hex() for rgb in palette.rgb],
                "extras": list(self.vocabulary.extras),
            },
            "dataset": {"ref": self.dataset.ref, **asdict(self.dataset)},
            "training_digest": self.training_digest,
            "step": self.step,
            "validation_bits": self.validation_bits,
            "code_version": self.code_version,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "CheckpointInfo":
        """Return what `to_json` wrote; ValueError when the colours do not give the vocabulary's digest."""
        told = values["vocabulary"]
        rgb = np.array([list(bytes.fromhex(colour)) for colour in told["colours"]], dtype=np.uint8).reshape(-1, 3)
        vocabulary = Vocabulary(palette=Palette(name=told["palette"], rgb=rgb), extras=tuple(told["extras"]))
        if vocabulary.digest != told["digest"]:
            raise ValueError(
                f"the vocabulary has digest {vocabulary.digest[:12]}, but the checkpoint was trained with "
                f"{str(told['digest'])[:12]}: its config.json was changed, or bytes have other ids in this version."
            )
        for place, kinds in _KINDS.items():
            require_kind(place, values[place], kinds)
        dataset = {key: values["dataset"][key] for key in ("repo_id", "tag", "revision", "digest")}
        for place, value in dataset.items():
            require_kind(f"dataset: {place}", value, (str,))
        require_kinds(ModelConfig, values["model"])
        model = ModelConfig.from_json(values["model"])
        require_sizes(model)
        return cls(
            model=model,
            vocabulary=vocabulary,
            dataset=DatasetVersion(**dataset),
            training_digest=values["training_digest"],
            step=values["step"],
            validation_bits=values["validation_bits"],
            code_version=values["code_version"],
        )


_KINDS: dict[str, tuple[type, ...]] = {
    "training_digest": (str,),
    "step": (int,),
    "validation_bits": (float, int, type(None)),
    "code_version": (str,),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """What a run needs beside its weights to go on as if it had never stopped."""

    tensors: dict[str, Tensor]  # of the optimiser and the random generator
    numbers: dict[str, float | int | None]


def save_checkpoint(folder: Path, network: Network, info: CheckpointInfo, state: TrainingState | None = None) -> None:
    """Write a checkpoint beside its place, then swap it in: a kill leaves the old one or the new one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _alone(folder.parent):
        fresh = _new(folder)
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        _write(fresh, network, info, state)
        _swap(fresh, folder)


def settle(folder: Path) -> None:
    """Undo a half-done save: put the old checkpoint back where a kill left none, and remove what else was left.

    Waits while another process saves beside it, so that it is safe to call on a run that is being trained.
    """
    if not _old(folder).exists() and not _new(folder).exists():
        return  # also in a folder that may only be read
    with _alone(folder.parent):
        if not folder.exists() and _old(folder).exists():
            _old(folder).rename(folder)
        shutil.rmtree(_old(folder), ignore_errors=True)
        shutil.rmtree(_new(folder), ignore_errors=True)
        _sync(folder.parent)


def _write(fresh: Path, network: Network, info: CheckpointInfo, state: TrainingState | None) -> None:
    write_network(fresh, network, info)
    if state:
        (fresh / STATE).write_bytes(packed(state.tensors, {}))
        _write_json(fresh / PROGRESS, state.numbers)
    for path in fresh.iterdir():
        _sync(path)


def write_network(folder: Path, network: Network, info: CheckpointInfo) -> None:
    """Write both files of a checkpoint into a folder that is there; the same bytes for the same network and facts."""
    (folder / WEIGHTS).write_bytes(packed(network.state_dict(), facts_of(info)))
    _write_json(folder / CONFIG, info.to_json())


def commit_of(dataset: DatasetVersion) -> str:
    """Return the commit that a dataset's version is pinned to; empty when it came from a folder of releases."""
    return dataset.revision if _COMMIT.fullmatch(dataset.revision) else ""


def facts_of(info: CheckpointInfo) -> dict[str, str]:
    """Return what the header of the weights says, so that they tell where they come from without any other file."""
    return {
        "format": "pt",
        "dataset": info.dataset.ref,
        "dataset_commit": commit_of(info.dataset),
        "dataset_digest": info.dataset.digest,
        "vocabulary": info.vocabulary.digest,
        "code_version": info.code_version,
        "training_digest": info.training_digest,
    }


def load_checkpoint(folder: Path, vocabulary: Vocabulary | None = None) -> tuple[Network, CheckpointInfo]:
    """Return the network, ready to be asked, and what is known of it.

    ValueError when files are missing, too large or damaged, when a tensor is missing, foreign or of another shape,
    or when `vocabulary` (of the dataset at hand) is another one than it was trained with.
    """
    info = read_info(folder)
    if vocabulary is not None and vocabulary.digest != info.vocabulary.digest:
        raise ValueError(
            f"{str(folder)!r} was trained with vocabulary {info.vocabulary.digest[:12]}, the dataset has "
            f"{vocabulary.digest[:12]}: use the dataset {info.dataset.ref} or train anew."
        )
    tensors = read_tensors(_settled(folder) / WEIGHTS)
    with torch.device("meta"):  # takes no memory, whatever sizes a stranger wrote down
        shapes = Network(info.model, len(info.vocabulary)).state_dict()
    _check(tensors, shapes, folder)
    network = Network(info.model, len(info.vocabulary))
    network.load_state_dict(tensors, strict=True)
    network.require_sound_counts()
    return network.eval(), info


def read_info(folder: Path) -> CheckpointInfo:
    """Return what a checkpoint's config.json says; ValueError when it does not say it."""
    path = _settled(folder) / CONFIG
    try:
        return CheckpointInfo.from_json(read_json(path))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{str(path)!r} is not a checkpoint's config ({error!r}): point at a run's checkpoint."
        ) from error


def read_state(folder: Path) -> TrainingState:
    """Return what `save_checkpoint` kept to resume from; ValueError when there is none."""
    place = _settled(folder)
    return TrainingState(tensors=read_tensors(place / STATE), numbers=read_json(place / PROGRESS))


def _check(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], folder: Path) -> None:
    odd = sorted(set(wanted) ^ set(tensors))
    if odd:
        raise ValueError(
            f"{str(folder)!r}: tensor {odd[0]!r} is missing or foreign; its config describes another model."
        )
    for name, tensor in tensors.items():
        if tensor.shape != wanted[name].shape or tensor.dtype != wanted[name].dtype:
            raise ValueError(
                f"{str(folder)!r}: tensor {name!r} is {tensor.dtype} {tuple(tensor.shape)}, but its config asks for "
                f"{wanted[name].dtype} {tuple(wanted[name].shape)}."
            )
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{str(folder)!r}: tensor {name!r} holds numbers that are not finite; train it again.")


def _swap(fresh: Path, folder: Path) -> None:
    old = _old(folder)
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    fresh.rename(folder)
    _sync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def _settled(folder: Path) -> Path:
    """Return the folder, or the old one that a kill between the two renames of a swap left behind."""
    old = _old(folder)
    return old if not folder.exists() and old.exists() else folder


def _new(folder: Path) -> Path:
    place = folder.absolute()  # `.` has no name
    return place.parent / f".{place.name}.new"


def _old(folder: Path) -> Path:
    place = folder.absolute()
    return place.parent / f".{place.name}.old"


@contextmanager
def _alone(parent: Path) -> Iterator[None]:
    """Wait for, then hold, the right to rename checkpoints in a folder; the system frees it when its holder dies."""
    handle = os.open(parent, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path, largest: int = LARGEST_CONFIG) -> dict[str, Any]:
    """Return the JSON object in a file of bounded size; ValueError when it holds none."""
    check_size(path, largest)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{str(path)!r} is not JSON ({error}): restore or train it again.") from error
    if not isinstance(values, dict):
        raise ValueError(f"{str(path)!r} holds no JSON object: restore or train it again.")  # noqa: TRY004 - a bad file
    return values
