"""Datasets on the Hub, as `datasets` itself sends and loads them."""

from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import RevisionNotFoundError

from flows.hub_server.running import RunningHub

pytestmark = pytest.mark.filterwarnings("ignore")  # of datasets and the client themselves
NAME = "org/pushed"


def pushed(count: int) -> object:
    from datasets import Dataset, Features, Image, Value

    rng = np.random.default_rng(count)
    pictures = [rng.integers(0, 255, (4, 4, 3), dtype=np.uint8) for _ in range(count)]
    features = Features({"id": Value("int32"), "picture": Image()})
    made = Dataset.from_dict({"id": list(range(count)), "picture": pictures}, features=features)
    made.push_to_hub(NAME, config_name="base")
    return made


@pytest.fixture
def tagged(hub: RunningHub, api: HfApi) -> RunningHub:
    """A dataset with a tag on ten rows, and a main branch with three."""
    pushed(10)
    api.create_tag(NAME, tag="v1.0.0", repo_type="dataset")
    pushed(3)
    return hub


@pytest.mark.parametrize(("revision", "count"), [("v1.0.0", 10), ("main", 3)])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_dataset_is_loaded_at_a_revision(tagged: RunningHub, revision: str, count: int, *, streaming: bool) -> None:
    from datasets import load_dataset

    loaded = load_dataset(NAME, "base", split="train", revision=revision, streaming=streaming, token=tagged.token)
    rows = list(loaded)
    assert [row["id"] for row in rows] == list(range(count))
    expected = np.random.default_rng(count).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    assert np.array_equal(np.asarray(rows[0]["picture"]), expected)


def test_a_push_leaves_no_shard_of_the_one_before(tagged: RunningHub, api: HfApi) -> None:
    names = [one.rfilename for one in api.dataset_info(NAME).siblings or ()]
    assert sorted(names) == [".gitattributes", "README.md", "base/train-00000-of-00001.parquet"]
    assert "lfs-put" in [one.step for one in tagged.seen]


def test_the_card_of_a_push_names_its_configs(tagged: RunningHub) -> None:
    from datasets import get_dataset_config_names, get_dataset_split_names

    assert get_dataset_config_names(NAME, token=tagged.token) == ["base"]
    assert get_dataset_split_names(NAME, "base", token=tagged.token) == ["train"]


def test_a_revision_that_is_not_there_is_not_loaded(tagged: RunningHub, tmp_path: Path) -> None:
    from datasets import load_dataset

    with pytest.raises((RevisionNotFoundError, FileNotFoundError, ValueError, ConnectionError)):
        load_dataset(NAME, "base", split="train", revision="v9", token=tagged.token, cache_dir=str(tmp_path))


def test_a_parquet_file_is_read_by_its_address(tagged: RunningHub) -> None:
    from datasets import load_dataset

    address = f"hf://datasets/{NAME}@v1.0.0/base/*.parquet"
    options = {"hf": {"endpoint": tagged.endpoint, "token": tagged.token}}
    loaded = load_dataset("parquet", data_files=address, split="train", storage_options=options["hf"])
    assert loaded.num_rows == 10
