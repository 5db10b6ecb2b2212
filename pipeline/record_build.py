"""Entries to records: what their pages say, a caption of it for each sprite, and ids. Many at a time, for speed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from palettes.vocabulary import Vocabulary
from pipeline.crawl.lines import Line
from pipeline.crawl.pages import gathered, parse_description
from pipeline.crawl.raw import RawStore
from pipeline.crawl.readings import MissingDescription
from pipeline.crawl.sources import Source
from pipeline.entries import Entry, drop
from pipeline.recipe import BuildConfig
from pipeline.records import Description, Dropped, Record
from pipeline.text import NormalText, fit_caption
from pipeline.tokenizer import encode_records

AT_ONCE = 128  # entries in memory


class _Ready(NamedTuple):
    """What a record is made of, but for its ids."""

    entry: Entry[Line]
    language: str
    sprite: UInt8[np.ndarray, "h w"]
    caption: NormalText


def records_of(
    entries: Iterable[tuple[Entry[Line], UInt8[np.ndarray, "h w"]]],
    store: RawStore,
    source: Source,
    config: BuildConfig,
    vocabulary: Vocabulary,
    dropped: list[Dropped],
) -> Iterator[Record]:
    """Yield the records of entries and their sprites; what cannot be one goes to `dropped` with stage and reason."""
    stream = iter(entries)
    while some := list(islice(stream, AT_ONCE)):  # one work for all, then the next: a processor does that faster
        read = [described(entry, store, source) for entry, _ in some]
        ready: list[_Ready] = []
        for (page, entry), (_, sprite) in zip(read, some, strict=True):
            if isinstance(page, MissingDescription):
                dropped.append(drop(entry.listing, "description", page.reason, entry.descriptions[0].url))
                continue
            try:
                ready.append(_Ready(entry, page.language, sprite, caption_of(page, sprite, config)))
            except ValueError as error:
                dropped.append(drop(entry.listing, "text", str(error), entry.descriptions[0].url))
        yield from _finished(ready, vocabulary, dropped)


def _finished(ready: Sequence[_Ready], vocabulary: Vocabulary, dropped: list[Dropped]) -> Iterator[Record]:
    """Yield the records, whose ids are made all at once; where that fails, one by one, to find out who is at fault."""
    try:
        ids, starts = encode_records([one.sprite for one in ready], [one.caption.text for one in ready], vocabulary)
    except ValueError as error:
        if len(ready) > 1:
            for one in ready:
                yield from _finished([one], vocabulary, dropped)
        else:
            entry = ready[0].entry
            dropped.append(drop(entry.listing, "text", str(error), entry.descriptions[0].url))
        return
    for one, start, end in zip(ready, starts, starts[1:], strict=False):  # one start more than records
        yield make_record(*one, ids[start:end])


def described(
    entry: Entry[Line], store: RawStore, source: Source
) -> tuple[Description | MissingDescription, Entry[Line]]:
    """Return what all pages of an entry say together, and the entry with those pages that said something."""
    language, pages = entry.listing.language, entry.descriptions
    read = [parse_description(store.get(page.sha256), page.title, language, source) for page in pages]
    if len(read) == 1:
        return read[0], entry
    spoke = tuple(page for page, said in zip(pages, read, strict=True) if isinstance(said, Description))
    if not spoke or len(spoke) == len(read):
        return gathered(read), entry
    return gathered(read), replace(entry, descriptions=spoke)


def make_record(
    entry: Entry[Line],
    language: str,
    sprite: UInt8[np.ndarray, "h w"],
    caption: NormalText,
    ids: UInt8[np.ndarray, "L"],
) -> Record:
    """Return the finished record of an entry."""
    listing, picture, pages = entry.listing, entry.miniature, entry.descriptions
    revision, time, licence, attribution = _stated(pages)
    return Record(
        id=listing.key,
        group=listing.group,
        number=listing.number,
        name=listing.name,
        form=listing.form,
        language=language,
        sprite=sprite,
        caption=caption.text,
        ids=ids,
        source_url=pages[0].url,
        image_url=picture.url,
        revision=revision,
        retrieved_at=max(picture.time, time),
        sha256=picture.sha256,
        licence=_both(licence, picture.licence),
        attribution=_both(attribution, picture.attribution),
        replaced=caption.replaced,
    )


def caption_of(page: Description, sprite: UInt8[np.ndarray, "h w"], config: BuildConfig) -> NormalText:
    """Return what a page says within the budget that a sprite gives; ValueError when that is too little."""
    budget = round(sprite.shape[0] * (sprite.shape[1] + 1) * config.text_share / (1 - config.text_share))
    caption = fit_caption(page.paragraphs, budget, config.max_caption)
    if not caption.text:
        raise ValueError(
            f"the first sentence has no character of the vocabulary, or more than {config.max_caption} characters"
        )
    if len(caption.text) < config.min_caption:
        raise ValueError(f"the text is shorter than min_caption: {len(caption.text)} characters")
    if caption.replaced > config.max_replaced * len(caption.text):
        raise ValueError(f"more than {config.max_replaced:.0%} of the text's characters have no token")
    return caption


def _stated(pages: Sequence[Line]) -> tuple[str, str, str, str]:
    """Return what pages state together: revisions, the latest time, licences, attributions."""
    if len(pages) == 1:  # as of most records
        page = pages[0]
        return page.revision, page.time, page.licence, page.attribution
    revisions = " ".join(page.revision for page in pages if page.revision)
    licences = "; ".join(dict.fromkeys(page.licence for page in pages))
    attributions = "; ".join(dict.fromkeys(page.attribution for page in pages))
    return revisions, max(page.time for page in pages), licences, attributions


def _both(text: str, picture: str) -> str:
    return text if text == picture else f"text: {text}; picture: {picture}"
