"""The whole system by itself: a schedule, a release, an event, a champion; then an edit; then a site that broke.

All of it is real: the wiki, the crawler, the Hub, Prefect's server and worker, the training. The steps of one story
depend on each other, so that they are one test.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from huggingface_hub import HfApi

from flows.champion.champions import Champions
from flows.hub_server.running import RunningHub, running_hub
from flows.settings import DataRoot
from pipeline.sample.load import load_wiki, sample_folder
from pipeline.sample.wiki import Fault, SampleWiki, Served, page_path, serve_wiki
from tests.deployed import ENDED, Deployed, deployed, until
from tests.own_wiki import source_file

pytestmark = pytest.mark.slow
CREATURES = 120
TRAINING = 900.0  # seconds that a training may take on a busy machine: half a minute on a quiet one
DATASET, MODEL = "me/sprites", "me/sprites-model"
TRAINED = {"presets": ["small"], "recipe": {"epochs": 5}, "models": f"hub:{MODEL}", "least_change": 0.02}


def bestiary() -> SampleWiki:
    whole = load_wiki(sample_folder())
    some = list(whole.creatures.values())[:CREATURES]
    return SampleWiki.of(some, {creature.image: whole.images[creature.image] for creature in some})


@contextmanager
def noticed() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Receive notices on loopback; yield the address and what came."""
    came: list[dict[str, object]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the overridden name
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", came
        server.shutdown()


def pages_asked(served: Served) -> list[str]:
    """Return the paths of bodies that were asked for: neither robots.txt, nor the API, nor the list."""
    paths = [note.path.partition("?")[0] for note in served.wiki.asked if note.status == 200]
    served.wiki.asked.clear()
    return [path for path in paths if path.startswith(("/wiki/", "/images/"))]


def change(system: Deployed, name: str, **parameters: object) -> None:
    """Give a deployment other parameters, as an edit of prefect.yaml would."""
    known = system.deployment(name)
    changed = {"parameters": {**known["parameters"], **parameters}}
    httpx.patch(f"{system.api}/deployments/{known['id']}", json=changed, timeout=60).raise_for_status()


def schedule_soon(system: Deployed) -> None:
    """Let the schedule make a run of the rebuild in some seconds, and none for a year after."""
    at = datetime.now(UTC) + timedelta(seconds=20)  # later than the scheduler looks
    soon = {"interval": 365 * 86_400, "anchor_date": at.isoformat(), "timezone": "UTC"}
    system.add_schedule(system.deployment("rebuild-dataset")["id"], {"active": True, "schedule": soon})


def nth_ended(system: Deployed, name: str, number: int) -> dict[str, Any]:
    """Return the run of a deployment that is the `number`th to have started, once it has ended."""
    started = until(lambda: (runs := [run for run in system.runs(name) if run["start_time"]])[number - 1 :] and runs)
    run = UUID(started[number - 1]["id"])
    end = time.monotonic() + TRAINING
    while system.run(run)["state_type"] not in ENDED and time.monotonic() < end:
        time.sleep(1)
    return system.ended(run)


def tags(hub: RunningHub, repo: str, kind: str = "dataset") -> list[str]:
    api = HfApi(endpoint=hub.endpoint, token=hub.token)
    return sorted(tag.name for tag in api.list_repo_refs(repo, repo_type=kind).tags)


def test_a_schedule_makes_a_release_and_a_champion_an_edit_a_patch_and_a_broken_site_a_notice(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running_hub(tmp_path / "hub") as hub, serve_wiki(bestiary()) as served, noticed() as (address, notices):
        source = source_file(tmp_path, served.port)
        source.write_text(source.read_text().replace("min_listings = 400", "min_listings = 100"))
        environment = {
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": hub.token,
            "HF_HUB_DISABLE_XET": "1",
            "PIXELBYTES_NOTICE_URL": address,
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",  # else each minute
        }
        with deployed(data, **environment) as system:
            change(system, "rebuild-dataset", source=str(source), repo_id=DATASET, store=f"hub:{DATASET}")
            change(system, "train-model", **TRAINED)
            a_first_release_and_its_champion(system, hub, served)
            an_edit_is_a_patch_that_is_not_trained_on(system, hub, served)
            a_site_that_broke_changes_nothing_and_is_told(system, hub, served, notices)


def a_first_release_and_its_champion(system: Deployed, hub: RunningHub, served: Served) -> None:
    schedule_soon(system)
    rebuilt = nth_ended(system, "rebuild-dataset", 1)
    assert rebuilt["state_type"] == "COMPLETED", rebuilt["state"]["message"]
    assert rebuilt["auto_scheduled"]
    assert tags(hub, DATASET) == ["v1.0.0"]
    assert len(pages_asked(served)) >= 2 * CREATURES
    trained = nth_ended(system, "train-model", 1)
    assert trained["state_type"] == "COMPLETED", trained["state"]["message"]
    assert trained["parameters"]["tag"] == "v1.0.0"
    assert trained["parameters"]["store"] == f"hub:{DATASET}"
    champions = Champions(DataRoot(system.data).root / "champions")
    (decision,) = champions.decisions(DATASET)
    assert decision.outcome == "promoted", decision.why
    champion = champions.champion(DATASET)
    assert champion is not None
    assert champion.dataset.tag == "v1.0.0"
    assert tags(hub, MODEL, "model") == ["v1.0.0"]
    events = {"filter": {"event": {"name": ["pixelbytes.model.promoted"]}}}
    (event,) = until(lambda: system.ask("/events/filter", **events)["events"])
    assert event["payload"]["repo_id"] == DATASET


def an_edit_is_a_patch_that_is_not_trained_on(system: Deployed, hub: RunningHub, served: Served) -> None:
    id_, creature = next(iter(served.wiki.creatures.items()))
    served.wiki.replace_text(id_, creature.text.replace(". ", ", they say. ", 1))
    schedule_soon(system)
    rebuilt = nth_ended(system, "rebuild-dataset", 2)
    assert rebuilt["state_type"] == "COMPLETED", rebuilt["state"]["message"]
    assert pages_asked(served) == [page_path(creature.title)]
    assert tags(hub, DATASET) == ["v1.0.0", "v1.0.1"]
    trained = nth_ended(system, "train-model", 2)
    assert trained["parameters"]["tag"] == "v1.0.1"
    decision = Champions(system.data / "champions").decisions(DATASET)[-1]
    assert decision.outcome == "skipped", decision.why
    assert tags(hub, MODEL, "model") == ["v1.0.0"]


def a_site_that_broke_changes_nothing_and_is_told(
    system: Deployed, hub: RunningHub, served: Served, notices: list[dict[str, object]]
) -> None:
    for id_, creature in list(served.wiki.creatures.items())[:20]:
        served.wiki.replace_text(id_, f"{creature.text} And more.")
        fault = Fault(body=b"<html><body><main><p>A new skin, without a heading.</p></main></body></html>")
        served.wiki.break_path(page_path(creature.title), fault)
    schedule_soon(system)
    rebuilt = nth_ended(system, "rebuild-dataset", 3)
    assert rebuilt["state_type"] == "FAILED"
    assert tags(hub, DATASET) == ["v1.0.0", "v1.0.1"]
    (notice,) = until(lambda: [notice for notice in notices if notice["what"] == "failed"])
    broken = page_path(next(iter(served.wiki.creatures.values())).title)
    assert any(str(page).endswith(broken) for page in notice["pages"])  # type: ignore[attr-defined]
