"""A model's version follows from what changed since the last one, and a lineage comes back from its file."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.config import ModelConfig
from model.lineage import DataOrigin, Lineage, architecture_digest, next_model_version, read_lineage

DIGESTS = st.sampled_from(["a" * 64, "b" * 64])  # two, so that equal ones are common
NAMES = ("training_digest", "architecture", "vocabulary", "weights", "facts")
# values, of which tests make lineages: beartype asks for random numbers, which no strategy may
DATA = st.fixed_dictionaries(
    {
        "tag": st.sampled_from(["v1.0.0", "v1.1.0"]),
        "commit": st.sampled_from(["", "0" * 40]),
        "digest": DIGESTS,
        "withheld": st.sampled_from([(), ("texts",), ("texts", "pictures")]),
        "visibility": st.sampled_from(["public", "private"]),
        "rights": st.sampled_from(["", "we own all of it"]),
    }
)
VALUES = st.fixed_dictionaries(
    {
        "version": st.tuples(*[st.integers(0, 30)] * 3).map(lambda numbers: "v" + ".".join(map(str, numbers))),
        "dataset": DATA,
        "files": st.fixed_dictionaries({"README.md": DIGESTS}),
        **dict.fromkeys(NAMES, DIGESTS),
    }
)
Values = dict[str, Any]


def lineage_of(values: Values) -> Lineage:
    data = DataOrigin(repo_id="org/beasts", licences=("CC0-1.0",), **values["dataset"])
    return Lineage(repo_id="org/model", code_version="0.1.0", **{**values, "dataset": data})


def parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.removeprefix("v").split("."))


@given(VALUES)
def test_the_first_version_is_one(values: Values) -> None:
    new = lineage_of(values)
    assert next_model_version(None, new) == "v1.0.0"
    assert next_model_version(replace(new, version="unreleased"), new) == "v1.0.0"


@given(VALUES, VALUES)
def test_nothing_new_is_no_version_and_all_else_is_a_later_one(before: Values, after: Values) -> None:
    last, new = lineage_of(before), lineage_of(after)
    found = next_model_version(last, new)
    assert (found is None) == ((last.weights, last.facts) == (new.weights, new.facts))
    assert found is None or parts(found) > parts(last.version)
    assert next_model_version(last, last) is None


@given(VALUES, VALUES)
def test_the_kind_of_change_decides_which_number_moves(before: Values, after: Values) -> None:
    last, new = lineage_of(before), lineage_of(after)
    found = next_model_version(last, new)
    if found is None:
        return
    major, minor, patch = parts(last.version)
    if (last.architecture, last.vocabulary) != (new.architecture, new.vocabulary):
        assert parts(found) == (major + 1, 0, 0)
    elif last.weights == new.weights or last.dataset.digest == new.dataset.digest:
        assert parts(found) == (major, minor, patch + 1)
    else:
        assert parts(found) == (major, minor + 1, 0)


@given(VALUES, VALUES, VALUES)
def test_neither_files_nor_code_nor_its_own_version_decide(before: Values, after: Values, other: Values) -> None:
    last, new = lineage_of(before), lineage_of(after)
    changed = replace(new, version=other["version"], files=other["files"], code_version="9", repo_id="org/other")
    assert next_model_version(last, new) == next_model_version(last, changed)


@given(values=VALUES)
def test_a_lineage_comes_back_from_its_file(tmp_path_factory: pytest.TempPathFactory, values: Values) -> None:
    path, lineage = tmp_path_factory.mktemp("lineage") / "lineage.json", lineage_of(values)
    path.write_text(lineage.to_json())
    assert read_lineage(path) == lineage
    assert json.loads(path.read_text()) == json.loads(json.dumps(asdict(lineage)))


def test_dropout_is_no_architecture_and_everything_else_is() -> None:
    base = ModelConfig()
    assert architecture_digest(base) == architecture_digest(replace(base, dropout=0.5))
    for change in ({"d_state": 32}, {"layers": 3}, {"k": 3}, {"look": "current"}, {"conv": False}, {"d_model": 9}):
        assert architecture_digest(replace(base, **change)) != architecture_digest(base)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "no lineage of a model"),
        ("[]", "must be a table"),
        ("[" * 50_000, "no lineage of a model"),
        ("{}", "lacks the key"),
        (" " * (2**20 + 1), "no checkpoint of ours"),
    ],
)
def test_a_file_that_is_no_lineage_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "lineage.json").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_lineage(tmp_path / "lineage.json")
