"""Checkpoints: a folder with `model.safetensors` and `config.json`, written whole or not at all, checked when read.

A checkpoint knows what it was trained on and the colours it draws with, so that it needs nothing beside it.
Nothing is pickled: opening a stranger's checkpoint runs no code.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model.config import ModelConfig
from model.network import Network
from palettes.palette import Palette
from palettes.vocabulary import Vocabulary
from pipeline.records import DatasetVersion
from pipeline.release import code_version

WEIGHTS, CONFIG = "model.safetensors", "config.json"
STATE, PROGRESS = "training.safetensors", "training.json"
LARGEST_WEIGHTS = 2 * 2**30  # bytes; our networks need under 10 MB
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
        dataset = {key: values["dataset"][key] for key in ("repo_id", "tag", "revision", "digest")}
        return cls(
            model=ModelConfig.from_json(values["model"]),
            vocabulary=vocabulary,
            dataset=DatasetVersion(**dataset),
            training_digest=values["training_digest"],
            step=values["step"],
            validation_bits=values["validation_bits"],
            code_version=values["code_version"],
        )


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
    header = {"dataset": info.dataset.ref, "dataset_digest": info.dataset.digest, "vocabulary": info.vocabulary.digest}
    save_file({name: t.detach().contiguous() for name, t in network.state_dict().items()}, fresh / WEIGHTS, header)
    _write_json(fresh / CONFIG, info.to_json())
    if state:
        save_file(state.tensors, fresh / STATE)
        _write_json(fresh / PROGRESS, state.numbers)
    for path in fresh.iterdir():
        _sync(path)


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
    network = Network(info.model, len(info.vocabulary))
    _load_strictly(network, read_tensors(_settled(folder) / WEIGHTS), folder)
    return network.eval(), info


def read_info(folder: Path) -> CheckpointInfo:
    """Return what a checkpoint's config.json says; ValueError when it does not say it."""
    path = _settled(folder) / CONFIG
    try:
        return CheckpointInfo.from_json(_read_json(path))
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{str(path)!r} is not a checkpoint's config ({error!r}): point at a run's checkpoint."
        ) from error


def read_state(folder: Path) -> TrainingState:
    """Return what `save_checkpoint` kept to resume from; ValueError when there is none."""
    place = _settled(folder)
    return TrainingState(tensors=read_tensors(place / STATE), numbers=_read_json(place / PROGRESS))


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file of bounded size."""
    _check_size(path, LARGEST_WEIGHTS)
    try:
        with safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is damaged ({error}): restore or train it again.") from error


def _load_strictly(network: Network, tensors: dict[str, Tensor], folder: Path) -> None:
    wanted = network.state_dict()
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
    network.load_state_dict(tensors, strict=True)


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
    return folder.with_name(f".{folder.name}.new")


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


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


def _check_size(path: Path, largest: int) -> None:
    if not path.is_file():
        raise ValueError(f"{str(path)!r} does not exist: point at a checkpoint folder, such as RUN/checkpoints/best.")
    if path.stat().st_size > largest:
        raise ValueError(
            f"{str(path)!r} has {path.stat().st_size} bytes, more than {largest}: it is no checkpoint of ours."
        )


def _write_json(path: Path, values: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    _check_size(path, LARGEST_CONFIG)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{str(path)!r} is not JSON ({error}): restore or train it again.") from error
    if not isinstance(values, dict):
        raise ValueError(f"{str(path)!r} holds no JSON object: restore or train it again.")  # noqa: TRY004 - a bad file
    return values
