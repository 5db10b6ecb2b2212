"""Tensors as a safetensors file that is the same to the byte for the same tensors, and read with bounds.

The library writes the facts of a header in an order that differs from one process to the next; here they are sorted.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

LARGEST_WEIGHTS = 2 * 2**30  # bytes; our networks need under 10 MB
_LENGTH = struct.Struct("<Q")  # of the header that follows
_FACTS = "__metadata__"
_ALIGNED = 8  # bytes: a header is padded with spaces, so that the numbers behind it lie well


def packed(tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> bytes:
    """Return a safetensors file of the tensors, with `facts` in its header."""
    body = save({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, dict(facts))
    (length,) = _LENGTH.unpack_from(body)
    told = json.loads(body[_LENGTH.size : _LENGTH.size + length])
    told.pop(_FACTS, None)
    places = dict(sorted(told.items(), key=lambda item: item[1]["data_offsets"]))
    first = {_FACTS: dict(sorted(facts.items()))} if facts else {}
    header = json.dumps(first | places, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNED)
    return _LENGTH.pack(len(header)) + header + body[_LENGTH.size + length :]


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file of bounded size; ValueError when it is none."""
    check_size(path, LARGEST_WEIGHTS)
    try:
        with safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - not a mapping
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is damaged ({error}): restore or train it again.") from error


def read_facts(path: Path) -> dict[str, str]:
    """Return the facts in the header of a safetensors file of bounded size; ValueError when it is none."""
    check_size(path, LARGEST_WEIGHTS)
    try:
        with safe_open(path, framework="pt") as opened:
            return dict(opened.metadata() or {})
    except SafetensorError as error:
        raise ValueError(f"{str(path)!r} is damaged ({error}): restore or train it again.") from error


def weights_digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 over names, types, shapes and numbers, whatever file they stand in."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_size(path: Path, largest: int) -> None:
    """Refuse with ValueError what is no file, and what has more bytes than `largest`."""
    if not path.is_file():
        raise ValueError(f"{str(path)!r} does not exist: point at a checkpoint folder, such as RUN/checkpoints/best.")
    if path.stat().st_size > largest:
        raise ValueError(
            f"{str(path)!r} has {path.stat().st_size} bytes, more than {largest}: it is no checkpoint of ours."
        )
