"""The head of a card is the Hub's and `datasets`'."""

from pathlib import Path

import pytest

from pipeline.cards.card import write_card
from pipeline.release import Release
from pipeline.schema import features, quarantine_layout, record_layouts
from tests.altered import copied
from tests.carded import head_of, text_of


@pytest.fixture
def copy(release: Release, tmp_path: Path, quick: None) -> Release:
    assert quick is None
    return copied(release, tmp_path / "copy")


def test_the_hub_and_datasets_read_the_head(carded: tuple[Release, tuple[str, ...]]) -> None:
    from datasets import DatasetInfo, Features
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    release, _ = carded
    data = DatasetCard(text_of(release)).data
    assert data.pretty_name == "A small bestiary"
    assert data.license == "cc0-1.0"
    assert data.language == ["en"]
    assert data.size_categories == ["n<1K"]
    layouts = {**record_layouts(release.manifest.windows), "quarantine": quarantine_layout()}
    configs = MetadataConfigs.from_dataset_card_data(data)
    assert configs.get_default_config_name() == "records"
    assert list(configs) == ["records", "tokens", "windows_k3", "quarantine"]
    infos = DatasetInfosDict.from_dataset_card_data(data)
    for name, info in infos.items():
        assert isinstance(info, DatasetInfo)
        assert info.features == Features.from_dict(features(layouts[name]))
        files = [shard for shards in release.manifest.configs[name].values() for shard in shards]
        assert info.splits is not None
        assert sum(split.num_examples for split in info.splits.values()) == sum(file.rows for file in files)
        assert info.download_size == sum(file.bytes for file in files)
        assert info.dataset_size == sum(split.num_bytes for split in info.splits.values()) > 0
    assert list(infos["records"].splits or ()) == ["train", "validation", "test"]


def test_a_language_that_is_no_code_is_left_out_of_the_head(copy: Release) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = copy.folder / copy.shards("records", "train")[0].file
    table = pq.read_table(path)
    tongues = ["pt_BR", "x | y", "FR", *["en"] * (len(table) - 3)]
    index = table.schema.get_field_index("language")
    pq.write_table(table.set_column(index, table.schema.field(index), pa.array(tongues)), path)
    write_card(copy)
    assert head_of(copy)["language"] == ["en", "fr", "pt"]
    assert "| in x &#124; y | 1 | 0 | 0 | 1 |" in text_of(copy)
