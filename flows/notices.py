"""Who is told when something is wrong, or decided: a line in the log, and a webhook where one is named.

The webhook, in PIXELBYTES_NOTICE_URL (http or https), gets a POST with `Content-Type: application/json` and one object:
`text` (the notice as one line, which chat rooms show as it is), `what` (failed, crashed, cancelled, …), `ref` (what it
is about, such as org/name@v1.0.0), `why` (some lines), `pages` (a list of the addresses that fell short; may be empty),
`run` (name of the run; may be empty) and `time` (ISO 8601, UTC): texts all of them, plain, at most some kB. Names and
addresses in them may come from a site. Any answer of 2xx will do; see flows.webhook.post for what else happens.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.settings import data_root
from flows.webhook.post import post_json

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun, State
    from prefect.flows import Flow

    from flows.artifacts import RunLog

URL_VARIABLE = "PIXELBYTES_NOTICE_URL"
MAX_TEXT, MAX_NAME, MAX_PAGES, MAX_PAGE = 4_000, 200, 50, 500  # characters, pages
WELCOME = frozenset({"promoted", "kept", "released", "recovered"})  # what is no fault
_PAGE = re.compile(r"<(https?://[^\s<>]+)>")  # as a survey and the gates name them
_PREFIX = re.compile(r"^.{0,80}?encountered an exception: ")  # Prefect's own words about a run that raised
_CALLS = re.compile(r"@(?=everyone|here|channel|all\b)", re.IGNORECASE)  # what wakes a whole chat room
_FOR_CHATS = str.maketrans({"<": "‹", ">": "›", "`": "'"})  # links and calls of chat rooms begin so


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something that a person should know."""

    what: str  # failed, crashed, cancelled, promoted, …
    ref: str  # what it is about: a dataset, a version, a model
    why: str
    pages: tuple[str, ...] = ()  # addresses that fell short
    run: str = ""  # name of the run

    def line(self) -> str:
        """Return the notice as one line that wakes nobody and links nowhere, whoever chose the names in it."""
        run = f" (run {_line(self.run, MAX_NAME)})" if self.run else ""
        more = f" and {len(self.pages) - 1} more" if len(self.pages) > 1 else ""
        fell = f" [{_line(self.pages[0], MAX_PAGE)}{more}]" if self.pages else ""
        told = f"{_line(self.ref, MAX_NAME)} {_line(self.what, MAX_NAME)}{run}: {_line(self.why, MAX_PAGE)}{fell}"
        return _CALLS.sub("@ ", told.translate(_FOR_CHATS))

    def to_json(self) -> dict[str, object]:
        """Return what the webhook gets; every text is bounded."""
        return {
            "text": self.line(),
            "what": _line(self.what, MAX_NAME),
            "ref": _line(self.ref, MAX_NAME),
            "why": "\n".join(_line(part, MAX_TEXT) for part in self.why[:MAX_TEXT].splitlines()),
            "pages": [_line(page, MAX_PAGE) for page in self.pages[:MAX_PAGES]],
            "run": _line(self.run, MAX_NAME),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }


def tell(notice: Notice) -> None:
    """Say a notice in the log, and to the webhook if there is one. A webhook that fails is logged, never raised."""
    from flows.artifacts import run_log

    _tell(notice, run_log())


def _tell(notice: Notice, log: "RunLog") -> bool:
    """Tell of a notice, and whether it arrived: in the log where no webhook is named."""
    say = log.info if notice.what in WELCOME else log.error
    say("notice: %s", notice.line())
    url = os.environ.get(URL_VARIABLE, "").strip()
    if url and (why := post_json(url, notice.to_json())):
        log.error("the notice did not reach the address in %s: %s", URL_VARIABLE, why)
        return False
    return True


def notify(flow: "Flow[Any, Any]", flow_run: "FlowRun", state: "State[Any]") -> None:
    """Tell that a run of a flow failed, crashed or was cancelled; a hook for `@flow(on_failure=[notify], …)`.

    Once for a run, however often it is tried again, and once more when it then fails for another reason. A crash has
    no reason of its own: Prefect may tell of it in the run's process and in the worker's, in other words. What did not
    reach the webhook is told again the next time.
    """
    from prefect.logging.loggers import flow_run_logger

    log = flow_run_logger(flow_run, flow)
    notice = notice_of(flow.name, flow_run.name or str(flow_run.id), flow_run.parameters, state)
    reason = notice.why if notice.what == "failed" else ""
    known_by = hashlib.sha256(f"{flow_run.id}\n{notice.what}\n{reason}".encode()).hexdigest()
    told: Path | None = None
    try:
        told = data_root(_text(flow_run.parameters, "data") or None).root / "notices" / known_by[:32]
        told.parent.mkdir(parents=True, exist_ok=True)
        told.touch(exist_ok=False)
    except FileExistsError:
        return
    except (OSError, ValueError) as error:  # a full disk: better told twice than never
        told = None
        log.warning("that the notice was told could not be kept (%s)", type(error).__name__)
    else:
        _forget_old(told.parent)
    arrived = False
    try:
        arrived = _tell(notice, log)
    finally:
        if told and not arrived:  # better told twice than never
            told.unlink(missing_ok=True)


def notice_of(flow: str, run: str, parameters: Mapping[str, Any], state: "State[Any]") -> Notice:
    """Return the notice of a run that ended badly, by the state's own message; pages are those that it names."""
    kind = str(state.type.value).lower()
    why = _PREFIX.sub("", state.message or state.name or kind)
    pages = tuple(dict.fromkeys(_PAGE.findall(why)))
    about = _text(parameters, "repo_id") or _text(parameters, "name") or _text(parameters, "release")
    tag = _text(parameters, "tag") or _text(parameters, "version")
    ref = f"{about}@{tag}" if about and tag else about or flow
    what = "cancelled" if kind in {"cancelling", "cancelled"} else kind
    return Notice(what=what, ref=ref, why=f"{flow}: {why}", pages=pages, run=run)


def _forget_old(folder: Path, most: int = 1_000) -> None:
    """Keep the newest notes about what was told."""
    found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime)
    for path in found[:-most]:
        path.unlink(missing_ok=True)


def _text(parameters: Mapping[str, Any], name: str) -> str:
    value = parameters.get(name)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _line(text: str, limit: int) -> str:
    """Return a text as one line of at most so many signs, nothing of which a terminal obeys."""
    return "".join(sign if sign.isprintable() else " " for sign in " ".join(text[: 2 * limit].split()))[:limit]
