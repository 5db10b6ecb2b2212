"""What the Hub answers when it will not: a status, a code that its clients read, and a sentence."""

from dataclasses import dataclass, field
from http import HTTPStatus

from starlette.responses import JSONResponse

_RATE_LIMIT = (("RateLimit", '"api";r=0;t=0'), ("RateLimit-Policy", '"fixed window";"api";q=500;w=300'))
_SENTENCES = {
    HTTPStatus.UNAUTHORIZED: "Invalid username or password.",
    HTTPStatus.FORBIDDEN: "You don't have the rights to do this.",
    HTTPStatus.NOT_FOUND: "Repository not found",
    HTTPStatus.CONFLICT: "Another operation is in progress on this repository, try again later.",
    HTTPStatus.PRECONDITION_FAILED: "A commit has happened since. Please refresh and try again.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too large.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests: wait as long as the header says.",
}


@dataclass(slots=True, kw_only=True)
class HubError(Exception):
    """A refusal: HTTP status, the Hub's own code for it ("" when it has none), a sentence, and further headers."""

    status: int
    message: str
    code: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    extra: dict[str, object] = field(default_factory=dict)  # what the body says besides the message

    def __str__(self) -> str:
        """Return the sentence."""
        return self.message

    def response(self) -> JSONResponse:
        """Return the answer, as the Hub words it: `error` in the body, code and sentence in the headers."""
        headers = dict(self.headers)
        if self.code:
            headers["X-Error-Code"] = self.code
        headers["X-Error-Message"] = self.message.encode("ascii", "replace").decode().replace("\n", " ")
        return JSONResponse({"error": self.message, **self.extra}, self.status, headers)


def bad_request(message: str) -> HubError:
    """Return the error for a request that cannot be meant."""
    return HubError(status=HTTPStatus.BAD_REQUEST, message=message)


def conflict(message: str, **extra: object) -> HubError:
    """Return the error for a name that is taken, or a merge that cannot be."""
    return HubError(status=HTTPStatus.CONFLICT, message=message, extra=extra)


def repo_not_found(*, signed_in: bool) -> HubError:
    """Return the error for a repository that is not there, or must look so: 401 to those who did not sign in."""
    status = HTTPStatus.NOT_FOUND if signed_in else HTTPStatus.UNAUTHORIZED
    return HubError(status=status, code="RepoNotFound", message="Repository not found")


def revision_not_found(revision: str) -> HubError:
    """Return the error for a branch, tag or commit that a repository does not have."""
    return HubError(status=HTTPStatus.NOT_FOUND, code="RevisionNotFound", message=f"Invalid rev id: {revision}")


def entry_not_found(message: str, commit: str = "") -> HubError:
    """Return the error for a file or folder that a commit does not hold; with the commit, clients remember it."""
    headers = (("X-Repo-Commit", commit),) if commit else ()
    return HubError(status=HTTPStatus.NOT_FOUND, code="EntryNotFound", message=message, headers=headers)


def forbidden(message: str, code: str = "") -> HubError:
    """Return the error for somebody who is known but may not do this."""
    return HubError(status=HTTPStatus.FORBIDDEN, message=message, code=code)


def unauthorized(code: str = "RepoNotFound") -> HubError:
    """Return the error for somebody who did not sign in.

    Over https the client itself takes a 401 on a repository's address for `RepoNotFound`; over http it goes by the
    code alone, so the code is sent and the client raises what it would raise on the Hub.
    """
    return error_for(HTTPStatus.UNAUTHORIZED, code)


def error_for(status: int, code: str = "") -> HubError:
    """Return the error of a status, in the words the Hub uses for it; 429 carries the rate-limit headers."""
    headers = _RATE_LIMIT if status == HTTPStatus.TOO_MANY_REQUESTS else ()
    message = _SENTENCES.get(HTTPStatus(status), f"Internal Error - this answer is {status}.")
    return HubError(status=status, message=message, code=code, headers=headers)
