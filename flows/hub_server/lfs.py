"""Large file storage: where to put which object, the bytes themselves, and the check afterwards."""

import hmac
from http import HTTPStatus
from urllib.parse import quote, urlencode

from starlette.responses import JSONResponse, Response

from flows.hub_server.call import Call
from flows.hub_server.errors import HubError, bad_request, forbidden
from flows.hub_server.names import checked_sha256
from flows.hub_server.payload import Payload, mapping, required
from flows.hub_server.repo import Repo

LARGEST = 50 * 10**9  # bytes of one object
_TYPE = "application/vnd.git-lfs+json"


def batch(call: Call) -> Response:
    """Answer where each object is to be put; no actions for those that are there."""
    wanted = call.payload
    if required(wanted, "operation", str) != "upload":
        raise bad_request("Only uploads are answered here: download by /resolve/.")
    objects = [_instruction(call, mapping(row)) for row in required(wanted, "objects", list)]
    return JSONResponse({"transfer": "basic", "objects": objects}, media_type=_TYPE)


def may_put(call: Call) -> int:
    """Return how many bytes a PUT may have; 403 unless this Hub gave its address out."""
    query = call.request.query_params
    given, size = query.get("signature", ""), query.get("size", "")
    expected = call.keys.signature(call.here.address, call.rest, size)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise forbidden("The signature of this address is not ours: ask the batch endpoint for one.")
    return int(size)


def put(call: Call) -> Response:
    """Keep an object whose bytes came whole; 400 when they are not those it was announced with."""
    spooled, oid = call.spooled, checked_sha256(call.rest[0])
    announced = may_put(call)
    if spooled is None or spooled.size != announced or spooled.sha256 != oid:
        came = "nothing" if spooled is None else f"{spooled.size} bytes with SHA-256 {spooled.sha256}"
        raise bad_request(f"{announced} bytes with SHA-256 {oid} were announced, but {came} came.")
    with call.store.writing:
        call.store.take_blob(oid, spooled.path)
        call.here.add_large(oid)
    return Response(status_code=HTTPStatus.OK, headers={"ETag": f'"{oid}"'})


def verify(call: Call) -> Response:
    """Say whether an object is there and as long as the client believes; 404 when it is not."""
    told = call.payload
    oid, size = checked_sha256(told.get("oid")), required(told, "size", int)
    if not _is_there(call, call.here, oid, size):
        raise HubError(status=HTTPStatus.NOT_FOUND, message=f"There is no LFS object {oid} of {size} bytes.")
    return JSONResponse({"oid": oid, "size": size}, media_type=_TYPE)


def _instruction(call: Call, wanted: Payload) -> dict[str, object]:
    """Return the answer for one object of a batch."""
    oid, size, repo = checked_sha256(wanted.get("oid")), required(wanted, "size", int), call.here
    told: dict[str, object] = {"oid": oid, "size": size}
    if not 0 <= size <= LARGEST:
        return {**told, "error": {"code": 422, "message": f"{size} bytes are too many: at most {LARGEST}."}}
    if _is_there(call, repo, oid, size):
        return told
    proof = urlencode({"size": size, "signature": call.keys.signature(repo.address, (oid,), str(size))})
    path = quote(f"{repo.kind}s/{repo.name}/{oid}")
    batch_address = f"{call.base}/{quote(repo.address)}.git/info/lfs/objects"
    actions = {"upload": {"href": f"{call.base}/_lfs/{path}?{proof}"}, "verify": {"href": f"{batch_address}/verify"}}
    return {**told, "authenticated": True, "actions": actions}


def _is_there(call: Call, repo: Repo, oid: str, size: int) -> bool:
    blob = call.store.blob(oid)
    return repo.has_large(oid) and blob.exists() and blob.stat().st_size == size
