"""The grammar against every record that the bundled dataset holds."""

import numpy as np
import pytest

from model.grammar import Grammar
from pipeline.pixelize import pixelize
from pipeline.quantize import quantize
from pipeline.sample.bestiary import SAMPLE_FOLDER, load_bestiary
from pipeline.text import fit_caption
from pipeline.tokenizer import ORDERS, Order, encode_record
from tests.strategies import VOCABULARY


@pytest.fixture(scope="module")
def records() -> list[tuple[np.ndarray, str]]:
    return [
        (
            quantize(pixelize((SAMPLE_FOLDER / "images" / record.image).read_bytes()), VOCABULARY.palette),
            fit_caption(record.text.split("\n\n"), 1200, 2000).text,
        )
        for record in load_bestiary(SAMPLE_FOLDER)
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_the_grammar_accepts_every_record_of_the_dataset(records: list[tuple[np.ndarray, str]], order: Order) -> None:
    """All of them side by side, token by token: `advance` refuses what the grammar does not allow."""
    grammar = Grammar(VOCABULARY, order, 25, 2000)
    rows = [encode_record(sprite, caption, VOCABULARY, order) for sprite, caption in records]
    padded = np.zeros((len(rows), max(map(len, rows))), dtype=np.uint8)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    state = grammar.start(len(rows))
    for column in padded.T:
        state = grammar.advance(state, column)
    assert state.ended.all()
