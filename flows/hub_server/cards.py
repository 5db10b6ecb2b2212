"""The metadata at the head of a card, and what the Hub would say about it."""

import json
from dataclasses import dataclass

import yaml

_FENCE = "---"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with the metadata of a card, and what is worth saying; both in sentences."""

    errors: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def front_matter(text: str) -> dict[str, object] | None:
    r"""Return the metadata at the head of a card as JSON would hold it; None without any, YAMLError for what is none.

    >>> front_matter("---\nlicense: mit\n---\n# Title")
    {'license': 'mit'}
    """
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or lines[0].rstrip() != _FENCE:
        return None
    ends = [number for number, line in enumerate(lines[1:], start=1) if line.rstrip() == _FENCE]
    if not ends:
        return None
    found = yaml.safe_load("\n".join(lines[1 : ends[0]]))
    if found is None:
        return None
    if not isinstance(found, dict):
        raise yaml.YAMLError(f"the metadata is a {type(found).__name__}, not keys and values")
    return dict(json.loads(json.dumps(found, default=str)))


def judge(text: str, kind: str) -> Verdict:
    """Return what the Hub would say about the card of a repository of that type."""
    try:
        found = front_matter(text)
    except yaml.YAMLError as error:
        return Verdict(errors=(f"the YAML metadata cannot be read: {error}",))
    if not found:
        return Verdict(warnings=("empty or missing yaml metadata in repo card",))
    return Verdict(errors=tuple(_wrong_configs(found)) if kind == "dataset" else ())


def _wrong_configs(found: dict[str, object]) -> list[str]:
    """Return what is wrong with the configs of a dataset's card."""
    configs = found.get("configs", [])
    if not isinstance(configs, list):
        return ['"configs" must be an array']
    wrong = []
    for number, config in enumerate(configs):
        name = config.get("config_name") if isinstance(config, dict) else None
        if not isinstance(name, str) or not name:
            wrong.append(f'"configs[{number}].config_name" is required')
    if sum(isinstance(config, dict) and config.get("default") is True for config in configs) > 1:
        wrong.append("only one config can be the default")
    return wrong
