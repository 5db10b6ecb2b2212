"""A file of tensors is the same to the byte in every process, and any reader of safetensors understands it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from model.tensor_files import packed, read_facts, read_tensors, weights_digest

NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=12).filter(
    lambda name: name != "__metadata__"
)
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.uint8, torch.int64])


@st.composite
def tensor(draw: st.DrawFn) -> torch.Tensor:
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    return torch.from_numpy(rng.integers(0, 200, shape)).to(draw(DTYPES))


@given(
    st.dictionaries(NAMES, tensor(), min_size=1, max_size=5), st.dictionaries(NAMES, st.text(max_size=9), max_size=6)
)
def test_tensors_and_facts_come_back_whatever_order_they_were_given_in(
    tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, torch.Tensor], facts: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("tensors") / "x.safetensors"
    path.write_bytes(packed(tensors, facts))
    for found in (read_tensors(path), load_file(path)):
        assert found.keys() == tensors.keys()
        assert all(
            torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in tensors.items()
        )
    assert read_facts(path) == facts
    assert weights_digest(read_tensors(path)) == weights_digest(tensors)
    backwards = packed(dict(reversed(tensors.items())), dict(reversed(facts.items())))
    assert backwards == path.read_bytes()


def test_two_processes_write_the_same_bytes() -> None:
    script = (
        "import hashlib, torch; from model.tensor_files import packed; "
        "facts = {str(i): str(i) for i in range(40)}; "
        "print(hashlib.sha256(packed({'a': torch.arange(6.0), 'b': torch.ones(2, 2)}, facts)).hexdigest())"
    )
    facts = {str(i): str(i) for i in range(40)}
    ours = packed({"b": torch.ones(2, 2), "a": torch.arange(6.0)}, facts)
    told = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120)
    assert told.stdout.strip() == hashlib.sha256(ours).hexdigest()
    length = int.from_bytes(ours[:8], "little")
    header = json.loads(ours[8 : 8 + length])
    assert length % 8 == 0
    assert list(header["__metadata__"]) == sorted(facts)


def test_the_digest_tells_names_types_shapes_and_numbers_apart() -> None:
    base = {"a": torch.zeros(2, 3)}
    others = [
        {"b": torch.zeros(2, 3)},
        {"a": torch.zeros(3, 2)},
        {"a": torch.zeros(2, 3, dtype=torch.float64)},
        {"a": torch.ones(2, 3)},
        {"a": torch.zeros(2, 3), "b": torch.zeros(0)},
    ]
    assert len({weights_digest(one) for one in [base, *others]}) == 6


def test_what_is_no_tensor_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff" * 99)
    for read in (read_tensors, read_facts):
        with pytest.raises(ValueError, match="is damaged"):
            read(tmp_path / "x")
        with pytest.raises(ValueError, match="does not exist"):
            read(tmp_path / "absent")
