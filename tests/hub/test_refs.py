"""Tags, branches and pull requests, as the real client makes them."""

from collections.abc import Callable

import pytest
from huggingface_hub import CommitInfo, CommitOperationAdd, HfApi
from huggingface_hub.errors import BadRequestError, HfHubHTTPError, RevisionNotFoundError

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own way to upload
Commit = Callable[..., CommitInfo]
Content = Callable[[str], dict[str, bytes]]


def refs(api: HfApi, repo: str) -> dict[str, str]:
    told = api.list_repo_refs(repo, repo_type="dataset", include_pull_requests=True)
    return {one.ref: one.target_commit for one in (*told.branches, *told.tags, *(told.pull_requests or ()))}


def test_a_tag_stays_where_it_was_set(api: HfApi, repo: str, commit: Commit, content: Content) -> None:
    first = commit({"a.txt": b"1"})
    api.create_tag(repo, tag="v1.0.0", tag_message="the first", repo_type="dataset")
    commit({"a.txt": b"2"})
    assert refs(api, repo)["refs/tags/v1.0.0"] == first.oid
    assert content("v1.0.0") == {"a.txt": b"1"}
    assert content(first.oid) == content(first.oid[:12]) == content("refs/tags/v1.0.0")


def test_a_tag_that_is_there_is_a_conflict_and_stays(api: HfApi, repo: str, commit: Commit) -> None:
    first = commit({"a.txt": b"1"})
    api.create_tag(repo, tag="v1.0.0", repo_type="dataset")
    commit({"a.txt": b"2"})
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_tag(repo, tag="v1.0.0", repo_type="dataset", exist_ok=False)
    assert caught.value.response.status_code == 409
    api.create_tag(repo, tag="v1.0.0", repo_type="dataset", exist_ok=True)
    assert refs(api, repo)["refs/tags/v1.0.0"] == first.oid


def test_a_tag_is_set_on_an_old_commit_and_taken_away(api: HfApi, repo: str, commit: Commit) -> None:
    first = commit({"a.txt": b"1"})
    commit({"a.txt": b"2"})
    api.create_tag(repo, tag="old", revision=first.oid, repo_type="dataset")
    assert refs(api, repo)["refs/tags/old"] == first.oid
    api.delete_tag(repo, tag="old", repo_type="dataset")
    assert "refs/tags/old" not in refs(api, repo)
    with pytest.raises(RevisionNotFoundError):
        api.delete_tag(repo, tag="old", repo_type="dataset")
    with pytest.raises(RevisionNotFoundError):
        api.create_tag(repo, tag="new", revision="nowhere", repo_type="dataset")


@pytest.mark.parametrize(
    "name", ["../../out", "a..b", "a b", "a/", "refs/heads/x", "x.lock", "-a", "a~1", "@", "é" * 200]
)
def test_a_name_that_git_refuses_is_no_name(api: HfApi, repo: str, name: str) -> None:
    before = refs(api, repo)
    with pytest.raises(BadRequestError):
        api.create_tag(repo, tag=name, repo_type="dataset")
    with pytest.raises(BadRequestError):
        api.create_branch(repo, branch=name, repo_type="dataset")
    assert refs(api, repo) == before


def test_a_branch_goes_its_own_way(api: HfApi, repo: str, commit: Commit, content: Content) -> None:
    commit({"a.txt": b"1"})
    api.create_branch(repo, branch="next/try", repo_type="dataset")
    commit({"a.txt": b"2", "b.parquet": b"3"}, revision="next/try")
    assert content("main") == {"a.txt": b"1"}
    assert content("next/try") == {"a.txt": b"2", "b.parquet": b"3"}
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_branch(repo, branch="next/try", repo_type="dataset")
    assert caught.value.response.status_code == 409
    api.delete_branch(repo, branch="next/try", repo_type="dataset")
    assert set(refs(api, repo)) == {"refs/heads/main"}
    with pytest.raises(HfHubHTTPError, match="403"):
        api.delete_branch(repo, branch="main", repo_type="dataset")


def test_a_branch_begins_where_it_is_told(api: HfApi, repo: str, commit: Commit, content: Content) -> None:
    first = commit({"a.txt": b"1"})
    commit({"a.txt": b"2"})
    api.create_branch(repo, branch="old", revision=first.oid, repo_type="dataset")
    assert content("old") == {"a.txt": b"1"}


def test_a_pull_request_is_prepared_in_commits_and_merged_in_one(
    api: HfApi, repo: str, commit: Commit, content: Content
) -> None:
    commit({"a.txt": b"1"})
    opened = commit({"b.txt": b"2"}, create_pr=True)
    assert opened.pr_revision == "refs/pr/1"
    commit({"c.parquet": b"3", "a.txt": None}, revision="refs/pr/1")
    commit({"d.txt": b"4"})
    assert content("main") == {"a.txt": b"1", "d.txt": b"4"}
    assert content("refs/pr/1") == {"b.txt": b"2", "c.parquet": b"3"}
    api.merge_pull_request(repo, 1, repo_type="dataset")
    assert content("main") == {"b.txt": b"2", "c.parquet": b"3", "d.txt": b"4"}
    told = api.get_discussion_details(repo, 1, repo_type="dataset")
    assert (told.status, told.merge_commit_oid) == ("merged", refs(api, repo)["refs/heads/main"])
    head = api.list_repo_commits(repo, repo_type="dataset")[0]
    assert (head.commit_id, head.title) == (told.merge_commit_oid, "a change (#1)")
    with pytest.raises(BadRequestError):
        api.merge_pull_request(repo, 1, repo_type="dataset")


def test_a_pull_request_that_does_not_fit_is_not_merged(
    api: HfApi, repo: str, commit: Commit, content: Content
) -> None:
    commit({"a.txt": b"1"})
    commit({"a.txt": b"theirs"}, create_pr=True)
    commit({"a.txt": b"ours"})
    assert api.get_discussion_details(repo, 1, repo_type="dataset").conflicting_files == ["a.txt"]
    with pytest.raises(HfHubHTTPError) as caught:
        api.merge_pull_request(repo, 1, repo_type="dataset")
    assert caught.value.response.status_code == 409
    assert content("main") == {"a.txt": b"ours"}


def test_an_empty_pull_request_is_a_draft_until_it_is_opened(
    api: HfApi, repo: str, commit: Commit, content: Content
) -> None:
    pull = api.create_pull_request(repo, "a large release", repo_type="dataset")
    assert (pull.status, pull.git_reference) == ("draft", "refs/pr/1")
    commit({"a.parquet": b"1"}, revision="refs/pr/1")
    with pytest.raises(BadRequestError, match="draft"):
        api.merge_pull_request(repo, 1, repo_type="dataset")
    api.change_discussion_status(repo, 1, "open", repo_type="dataset")
    api.merge_pull_request(repo, 1, repo_type="dataset")
    assert content("main") == {"a.parquet": b"1"}


def test_discussions_are_listed_and_talked_in(api: HfApi, repo: str, commit: Commit) -> None:
    first = api.create_discussion(repo, "a question", description="why?", repo_type="dataset")
    commit({"b.txt": b"2"}, create_pr=True, commit_description="since")
    api.comment_discussion(repo, first.num, "an answer", repo_type="dataset")
    api.rename_discussion(repo, first.num, "an old question", repo_type="dataset")
    api.change_discussion_status(repo, first.num, "closed", repo_type="dataset")
    told = list(api.get_repo_discussions(repo, repo_type="dataset"))
    assert [(one.num, one.title, one.status, one.is_pull_request) for one in told] == [
        (2, "a change", "open", True),
        (1, "an old question", "closed", False),
    ]
    events = api.get_discussion_details(repo, 1, repo_type="dataset").events
    assert [one.type for one in events] == ["comment", "comment", "title-change", "status-change"]
    only = api.get_repo_discussions(repo, repo_type="dataset", discussion_type="pull_request", discussion_status="open")
    assert [one.num for one in only] == [2]


def test_a_pull_request_on_an_old_head_is_refused_and_leaves_nothing(api: HfApi, repo: str, commit: Commit) -> None:
    head = api.dataset_info(repo).sha
    commit({"a.txt": b"1"})
    operation = CommitOperationAdd("b.txt", b"2")
    with pytest.raises(HfHubHTTPError) as caught:
        api.create_commit(
            repo, [operation], commit_message="late", repo_type="dataset", parent_commit=head, create_pr=True
        )
    assert caught.value.response.status_code == 412
    assert set(refs(api, repo)) == {"refs/heads/main"}
    assert list(api.get_repo_discussions(repo, repo_type="dataset")) == []
