"""prefect.yaml lets unknown keys pass in silence, so they are checked here."""

import importlib
import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
KNOWN = {
    "name",
    "description",
    "entrypoint",
    "parameters",
    "schedules",
    "triggers",
    "concurrency_limit",
    "work_pool",
}
DEPLOYMENTS: list[dict[str, Any]] = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


def flow_of(deployment: dict[str, Any]) -> Any:
    path, name = deployment["entrypoint"].split(":")
    assert (ROOT / path).is_file()
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)


def test_the_two_deployments_are_there() -> None:
    assert [deployment["name"] for deployment in DEPLOYMENTS] == ["rebuild-dataset", "train-model"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_a_deployment_names_a_real_flow_and_only_keys_and_parameters_that_exist(deployment: dict[str, Any]) -> None:
    from prefect import Flow

    assert set(deployment) <= KNOWN
    flow = flow_of(deployment)
    assert isinstance(flow, Flow)
    accepted = inspect.signature(flow.fn).parameters
    assert set(deployment["parameters"]) <= set(accepted)
    for trigger in deployment.get("triggers", []):
        assert set(trigger["parameters"]) <= set(accepted)


def test_the_trigger_waits_for_the_event_that_publishing_emits_and_passes_its_payload() -> None:
    from flows.releasing import RELEASED, released_payload
    from pipeline.records import DatasetVersion

    (trigger,) = DEPLOYMENTS[1]["triggers"]
    assert trigger["expect"] == [RELEASED]
    version = DatasetVersion(repo_id="a/b", tag="v1.0.0", revision="r", digest="d")
    assert set(trigger["parameters"]) == set(released_payload(version, Path("/x")))
    for name, value in trigger["parameters"].items():
        assert value["value"]["template"] == "{{ event.payload." + name + " | tojson }}"
