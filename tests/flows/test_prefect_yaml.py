"""prefect.yaml lets unknown keys and parameters pass in silence, so all of it is checked here."""

import importlib
import inspect
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
import pytest
import yaml

from flows.releasing import RELEASED, release_event
from pipeline.records import DatasetVersion

ROOT = Path(__file__).parents[2]
TOLD: dict[str, Any] = yaml.safe_load((ROOT / "prefect.yaml").read_text())
DEPLOYMENTS: dict[str, dict[str, Any]] = {one["name"]: one for one in TOLD["deployments"]}
VERSION = DatasetVersion(repo_id="a/b", tag="v1.0.0", revision="r", digest="d")
REQUIRED = {"name", "description", "entrypoint", "parameters", "concurrency_limit", "work_pool"}
STARTS = {
    "rebuild-dataset": {"schedules"},
    "train-model": {"triggers"},
    "reproduce-paper": set(),
    "verify-releases": {"schedules"},
}
NEEDED = {
    "rebuild-dataset": {"source", "repo_id", "recipe", "store", "patience"},
    "train-model": {"repo_id", "tag", "presets", "models", "least_change"},
    "reproduce-paper": {"reference", "epochs", "only", "seed"},
    "verify-releases": {"hub"},
}
each = pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=list(DEPLOYMENTS))


def flow_of(deployment: dict[str, Any]) -> Any:
    path, name = deployment["entrypoint"].split(":")
    assert (ROOT / path).is_file()
    return getattr(importlib.import_module(path.removesuffix(".py").replace("/", ".")), name)


def test_the_four_deployments_are_there_and_nothing_stands_beside_them() -> None:
    assert list(DEPLOYMENTS) == list(STARTS)
    assert len(TOLD["deployments"]) == len(DEPLOYMENTS)
    assert set(TOLD) == {"name", "prefect-version", "pull", "deployments"}
    assert TOLD["name"] == "pixelbytes"


def test_the_pinned_prefect_is_the_one_that_runs() -> None:
    import prefect

    assert TOLD["prefect-version"] == prefect.__version__


def test_a_run_goes_to_the_roots_folder_and_gets_a_log_of_its_own() -> None:
    from flows.deploy import run_logs

    first, second = TOLD["pull"]
    assert first == {"prefect.deployments.steps.set_working_directory": {"directory": "{{ $PWD }}"}}
    assert second == {f"{run_logs.__name__}.{run_logs.output_to_file.__name__}": {}}


@each
def test_a_deployment_has_the_keys_that_it_needs_and_no_others(deployment: dict[str, Any]) -> None:
    assert set(deployment) == REQUIRED | STARTS[deployment["name"]]
    assert deployment["work_pool"] == {"name": "pixelbytes"}
    assert set(deployment["concurrency_limit"]) == {"limit", "collision_strategy"}
    assert deployment["concurrency_limit"]["limit"] == 1


@each
def test_a_deployment_names_a_real_flow_and_gives_it_parameters_that_it_takes(deployment: dict[str, Any]) -> None:
    from prefect import Flow

    flow = flow_of(deployment)
    assert isinstance(flow, Flow)
    accepted = inspect.signature(flow.fn).parameters
    assert NEEDED[deployment["name"]] <= set(deployment["parameters"]) <= set(accepted)
    required = {name for name, parameter in accepted.items() if parameter.default is parameter.empty}
    assert required <= set(deployment["parameters"])  # so that a run by hand starts
    for trigger in deployment.get("triggers", []):
        assert set(trigger["parameters"]) <= set(accepted)


def test_the_parameters_of_a_rebuild_are_ones_that_its_parts_understand() -> None:
    from flows.recipe_options import RecipeOptions
    from pipeline.crawl.source_files import load_source

    given = DEPLOYMENTS["rebuild-dataset"]["parameters"]
    assert RecipeOptions(**given["recipe"]).k == 3
    assert load_source(given["source"]).name == "sample"
    assert given["patience"] >= 600  # another rebuild may well take so long
    assert given["store"] is None


def test_the_presets_that_are_trained_and_the_rows_that_are_reproduced_are_known() -> None:
    from model.presets import preset_of
    from model.reproduction import chosen_presets

    for preset in DEPLOYMENTS["train-model"]["parameters"]["presets"]:
        assert preset_of(preset)
    given = DEPLOYMENTS["reproduce-paper"]["parameters"]
    assert len(chosen_presets(given["only"], given["epochs"], given["seed"])) == 15


@pytest.mark.parametrize(
    ("name", "times", "strategy"),
    [
        ("rebuild-dataset", ["2026-11-23 04:00", "2026-11-30 04:00", "2026-12-07 04:00"], "ENQUEUE"),
        ("verify-releases", ["2026-11-22 02:30", "2026-11-23 02:30", "2026-11-24 02:30"], "CANCEL_NEW"),
    ],
)
def test_a_schedule_comes_at_the_hour_of_its_town_and_is_off_at_first(
    name: str, times: list[str], strategy: str
) -> None:
    import asyncio
    from datetime import datetime

    from prefect.client.schemas.schedules import CronSchedule
    from prefect.server.schemas.schedules import CronSchedule as ServerCron

    (schedule,) = DEPLOYMENTS[name]["schedules"]
    assert set(schedule) == {"cron", "timezone", "active"}
    assert schedule["timezone"] == "Europe/Paris"
    assert schedule["active"] is False
    assert CronSchedule(cron=schedule["cron"], timezone=schedule["timezone"])
    paris = ZoneInfo("Europe/Paris")
    begin = datetime(2026, 11, 21, 12, tzinfo=paris)
    asked = ServerCron(cron=schedule["cron"], timezone=schedule["timezone"]).get_dates(n=3, start=begin)
    assert [f"{date.astimezone(paris):%Y-%m-%d %H:%M}" for date in asyncio.run(asked)] == times
    assert DEPLOYMENTS[name]["concurrency_limit"]["collision_strategy"] == strategy


def test_the_trigger_waits_for_the_event_that_publishing_emits() -> None:
    from prefect.events.schemas.deployment_triggers import DeploymentEventTrigger

    (trigger,) = DEPLOYMENTS["train-model"]["triggers"]
    assert set(trigger) == {"type", "enabled", "match", "expect", "parameters"}
    assert trigger["enabled"] is True
    assert trigger["expect"] == [RELEASED]
    assert set(trigger) <= {*DeploymentEventTrigger.model_fields, "type"}
    resource = release_event(VERSION, "/releases").resource["prefect.resource.id"]
    (pattern,) = trigger["match"].values()
    assert list(trigger["match"]) == ["prefect.resource.id"]
    assert pattern.endswith("*")
    assert resource.startswith(pattern.removesuffix("*"))


def test_each_value_of_the_payload_arrives_at_the_parameter_of_its_name_with_its_type() -> None:
    (trigger,) = DEPLOYMENTS["train-model"]["triggers"]
    payload = release_event(VERSION, 'hub:a/b "quoted"').payload
    assert set(trigger["parameters"]) == set(payload)
    for odd in ({}, {"tag": 7, "digest": None, "store": ["x", 1.5, True]}):
        sent = {**payload, **odd}
        for name, value in trigger["parameters"].items():
            assert value["__prefect_kind"] == "json"
            assert set(value) == {"__prefect_kind", "value"}
            assert value["value"]["__prefect_kind"] == "jinja"
            assert set(value["value"]) == {"__prefect_kind", "template"}
            written = jinja2.Environment(autoescape=True).from_string(value["value"]["template"])
            assert json.loads(written.render(event={"payload": sent})) == sent[name]


def test_what_the_dry_run_shows_is_what_stands_in_the_file() -> None:
    from flows.deploy.deployments import require_project

    shown = {one.name: one for one in require_project(ROOT)}
    assert list(shown) == list(DEPLOYMENTS)
    assert shown["rebuild-dataset"].starts == "cron 0 4 * * 1 (Europe/Paris)"
    assert shown["train-model"].starts == f"event {RELEASED}"
    assert shown["reproduce-paper"].starts == "by hand"
    assert {one.at_once for one in shown.values()} == {1}
