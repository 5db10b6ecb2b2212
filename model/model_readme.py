"""The card of a model: YAML for the Hub, then what it does, how well, what it was trained on, and who may have it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from model.evaluate import ModelScore, Paired
from model.finished_run import FinishedRun
from model.lineage import DataOrigin
from pipeline.cards.card import REFERENCE, cite
from pipeline.cards.licences import HubLicence, hub_licence
from pipeline.cards.markdown import bare, bib
from pipeline.release import UNRELEASED, Manifest
from pipeline.templating import markdown_environment

TEMPLATES = Path(__file__).parent / "templates"
SHEET = "samples.png"
TAGS = ("pixel-art", "sprites", "multimodal", "image-to-text", "unconditional-image-generation", "pixelbytes")
DIGITS = 4  # of the numbers in the YAML
WITHHELD = HubLicence(identifiers=("other",), name="not-for-redistribution")
SEVERAL = HubLicence(identifiers=("other",), name="several-see-the-card")


@dataclass(frozen=True, slots=True, kw_only=True)
class CardFacts:
    """All that a card tells."""

    repo_id: str
    version: str
    run: FinishedRun
    manifest: Manifest  # of the release it was trained on
    origin: DataOrigin
    rights: str = ""  # the model's publisher's statement of the right to pass it on
    sheet: bool  # whether a sheet of samples lies beside it

    @property
    def revision(self) -> str:
        """Return what loads exactly the dataset's release: its commit, or its tag where none is known."""
        return self.origin.commit or self.origin.tag


def readme(facts: CardFacts) -> str:
    """Return the card; the same text for the same facts."""
    run = facts.run
    models = sorted(run.evaluation.models, key=lambda row: row.bits_per_record.total)
    best = next(row for row in models if row.kind == "baseline")
    template = markdown_environment(TEMPLATES).get_template("model_card.md.j2")
    text = template.render(
        head=_head(facts),
        name=facts.repo_id,
        version="" if facts.version == UNRELEASED else facts.version,
        run=run,
        m=facts.manifest,
        origin=facts.origin,
        rights=facts.rights,
        sheet=SHEET if facts.sheet else "",
        models=models,
        papers=[row for row in models if row.paper],
        best=best,
        share=run.score.bits_per_record.total / max(best.bits_per_record.total, 1e-9),
        paired=_paired(run.evaluation.paired, run.score, best),
        sizes=_shown(run.info.model.to_json()),
        recipe=_shown(run.recipe.to_json()),
        citation=_citation(facts),
        data_citation=cite(facts.manifest),
        reference=REFERENCE,
    )
    return text.rstrip("\n") + "\n"


def _head(facts: CardFacts) -> str:
    licence = card_licence(facts.origin, facts.rights)
    core = facts.run.info.model.core
    return yaml.safe_dump(
        {
            "license": licence.identifiers[0],
            **({"license_name": licence.name} if licence.name else {}),
            **({"license_link": licence.link} if licence.link else {}),
            "library_name": "pytorch",
            "pipeline_tag": "text-to-image",
            "tags": [*TAGS, core],
            "datasets": [facts.origin.repo_id],
            "model-index": [{"name": facts.repo_id.split("/")[1], "results": [_result(facts)]}],
        },
        sort_keys=False,
        allow_unicode=True,
        width=120,
    ).strip()


def card_licence(origin: DataOrigin, rights: str = "") -> HubLicence:
    """Return what a card states as the licence of a model: that of its data, as the Hub names it.

    What is withheld has none, unless somebody states the right to pass it on.

    >>> from dataclasses import replace
    >>> data = DataOrigin(repo_id="org/beasts", tag="v1.0.0", commit="", digest="", withheld=(), visibility="public",
    ...                   rights="", licences=("CC0-1.0",))
    >>> card_licence(data).identifiers, card_licence(replace(data, withheld=("texts",))).name
    (('cc0-1.0',), 'not-for-redistribution')
    """
    if origin.withheld and not (origin.rights or rights):
        return WITHHELD
    licence = hub_licence(origin.licences)
    return licence if len(licence.identifiers) == 1 else SEVERAL


def _result(facts: CardFacts) -> dict[str, object]:
    """Return the network's own result; a model-index has no place for baselines, which stand in the table."""
    on = facts.run.evaluation.dataset
    return {
        "task": {"type": "text-generation", "name": "Next token of pictures and captions in one sequence"},
        "dataset": {
            "name": bare(facts.manifest.title or facts.origin.repo_id),
            "type": facts.origin.repo_id,
            "config": "tokens",
            "split": on.split,
            "revision": facts.revision,
        },
        "metrics": [*_metrics(facts.run.score)],
    }


def _metrics(score: ModelScore) -> tuple[dict[str, object], ...]:
    bits = score.bits_per_record
    parts = {"shape": bits.shape, "pixels": bits.pixels, "row ends": bits.row_ends, "caption": bits.caption}
    total = {
        **_metric("bits_per_record", bits.total, f"Bits per record ({bits.flag}; less is better)"),
        "args": {"flag": bits.flag, "ci95": [round(bound, DIGITS) for bound in bits.ci95]},
    }
    return (
        total,
        *(_metric("bits_per_record", value, f"Bits per record: {part}") for part, value in parts.items()),
        _metric("bits_per_pixel", score.bits_per_pixel, "Bits per pixel"),
        _metric("bits_per_character", score.bits_per_character, "Bits per character"),
        _metric("accuracy", score.accuracy.total, "Next tokens that were the most probable one"),
    )


def _metric(kind: str, value: float, name: str) -> dict[str, object]:
    return {"type": kind, "value": round(value, DIGITS), "name": name}


def _paired(pairs: tuple[Paired, ...], ours: ModelScore, best: ModelScore) -> Paired | None:
    """Return the comparison with the best baseline, record by record."""
    return next((pair for pair in pairs if (pair.a, pair.b) == (ours.name, best.name)), None)


def _shown(config: Mapping[str, object]) -> dict[str, str]:
    return {name.replace("_", " "): str(value) for name, value in config.items() if value is not None}


def _citation(facts: CardFacts) -> str:
    """Return a BibTeX entry of the model."""
    version = "" if facts.version == UNRELEASED else facts.version
    words = f"{facts.repo_id}_{version}".rstrip("_")
    key = "".join(char if char.isascii() and char.isalnum() else "_" for char in words)
    lines = (
        ("title", f"{{{bib(facts.repo_id)}}}: a model of pixel art and text"),
        *((("version", bib(version)),) if version else ()),
        ("howpublished", "Model weights, trained with {PixelBytes}"),
        ("note", f"Trained on {bib(facts.origin.ref)}, content digest {bib(facts.origin.digest)}"),
    )
    return f"@misc{{{key},\n" + ",\n".join(f"  {name:12} = {{{value}}}" for name, value in lines) + "\n}"
