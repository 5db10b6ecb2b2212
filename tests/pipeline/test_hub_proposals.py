"""What goes to the Hub by a pull request that somebody merges, and a model's folder, which goes as releases do."""

from pathlib import Path

import pytest

from pipeline.publishing.model_repo import ModelFolder, PublishedModel, publish_model
from tests.on_hub import IGNORE_CLIENT, NAME, World

pytestmark = pytest.mark.filterwarnings(IGNORE_CLIENT)


# by a pull request ----------------------------------------------------------------------------------------------------


def test_a_proposal_is_opened_once_and_tagged_once_it_is_merged(hub: World) -> None:
    store = hub.store(warm=True, propose=True)
    first, again = store.publish(hub.new), store.publish(hub.new)
    assert first.proposed == again.proposed
    assert first.new
    assert hub.tags().keys() == {"v1.0.0"}
    pulls = list(hub.api.get_repo_discussions(NAME, repo_type="dataset"))
    assert [(one.is_pull_request, one.status) for one in pulls] == [(True, "open")]
    hub.api.merge_pull_request(NAME, pulls[0].num, repo_type="dataset")
    done = store.publish(hub.new)
    assert (done.new, done.proposed, done.version.tag) == (True, "", "v1.1.0")
    assert hub.sound_versions()["v1.1.0"] == hub.new.manifest.digest
    assert store.publish(hub.new).new is False


def test_a_proposal_on_a_main_that_moved_is_replaced(hub: World) -> None:
    store = hub.store(warm=True, propose=True)
    store.publish(hub.new)
    hub.by_hand({"README.md": b"---\nlicense: mit\n---\nsomebody else's\n"})
    second = store.publish(hub.new)
    found = {one.num: one.status for one in hub.api.get_repo_discussions(NAME, repo_type="dataset")}
    assert found == {1: "closed", 2: "open"}
    assert second.proposed.endswith("/2")
    hub.api.merge_pull_request(NAME, 2, repo_type="dataset")
    assert store.publish(hub.new).version.tag == "v1.1.0"
    assert hub.sound_versions()["v1.1.0"] == hub.new.manifest.digest


# models ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["after", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("answer", "cut"))])
def test_a_model_goes_there_in_the_same_way(hub: World, tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for name, body in {
        "README.md": b"---\nlicense: mit\n---\n",
        "model.safetensors": b"weights",
        "l.json": b"{}",
    }.items():
        (folder / name).write_bytes(body)

    def export(lineage: Path | None) -> ModelFolder:
        return ModelFolder(folder=folder, version="v1.0.0", new=lineage is None)

    def publish() -> PublishedModel:
        return publish_model(
            "org/model", export, lambda _: None, lineage="l.json", private=False, endpoint=hub.hub.endpoint
        )

    hub.hub.faults.add("commit", kind, status=500)
    hub.hub.faults.add("tag", kind, status=500)
    done = publish()
    assert (done.new, done.version) == (True, "v1.0.0")
    assert (publish().new, publish().revision) == (False, done.revision)
    refs = hub.api.list_repo_refs("org/model")
    assert {tag.name: tag.target_commit for tag in refs.tags} == {"v1.0.0": done.revision}
