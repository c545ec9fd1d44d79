"""Dead letters: how many for which reason, each with what it holds, and sending them again or giving them up."""

import base64
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from interlock.api import dead_letters
from interlock.api.access.principal import Principal
from interlock.api.backend import backend_of
from interlock.console.attempts import attempted
from interlock.console.pages.showing import needs, show
from interlock.schemas import json_text

router = APIRouter()

Reader = Annotated[Principal, Depends(needs("dead-letters:read"))]

# A screen and a half; the rest comes with "next rows".
_ROWS = 50

# Of bytes that are no text: what shows of which kind they are. The API gives them all.
_HEX_BYTES = 2_048
_HEX_LINE = 16

_NOTHING: dict[str, Any] = {"dead_letters": [], "next": None}


@router.get("/dead-letters")
def listed(
    request: Request,
    person: Reader,  # noqa: ARG001 - who may
    reason: Annotated[str, Query(max_length=200)] = "",
    cursor: Annotated[str, Query(max_length=1_000)] = "",
) -> Response:
    backend = backend_of(request)
    found, problem = attempted(lambda: dead_letters.letter_rows(backend, reason, cursor, _ROWS))
    page = found or _NOTHING
    counts = dead_letters.letter_counts(backend)
    filters = {"reason": reason} if reason else {}
    template = "parts/dead_letter_list.html" if "hx-request" in request.headers else "dead_letters.html"
    return show(
        request,
        template,
        letters=page["dead_letters"],
        problem=problem,
        counts=counts["counts"] or [],
        counts_problem=counts["unavailable"],
        reason=reason,
        here=f"/dead-letters?{urlencode(filters | ({'cursor': cursor} if cursor else {}))}",
        first=f"/dead-letters?{urlencode(filters)}" if cursor else "",
        following=f"/dead-letters?{urlencode({**filters, 'cursor': page['next']})}" if page["next"] else "",
    )


@router.get("/dead-letters/{partition:id}/{offset:id}")
def one(request: Request, person: Reader, partition: str, offset: str) -> Response:  # noqa: ARG001
    letter = dead_letters.letter_facts(backend_of(request), f"{partition}:{offset}")
    value = base64.b64decode(letter["value_base64"] or "")
    return show(request, "dead_letter.html", letter=letter, content=content_of(letter, value))


def content_of(letter: dict[str, Any], value: bytes) -> dict[str, Any]:
    """How a value is best read: `kind` decision, json, text, bytes or empty, with `value` or `text`."""
    if letter["decision"] is not None:
        return {"kind": "decision", "value": letter["decision"]}
    if not value:
        return {"kind": "empty"}
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return {"kind": "bytes", "text": hex_dump(value[:_HEX_BYTES]), "rest": max(0, len(value) - _HEX_BYTES)}
    if "\0" in text:
        return {"kind": "bytes", "text": hex_dump(value[:_HEX_BYTES]), "rest": max(0, len(value) - _HEX_BYTES)}
    try:
        return {"kind": "json", "value": json_text.parse(text)}
    except json_text.JsonError:
        return {"kind": "text", "text": letter["value_text"]}


def hex_dump(value: bytes) -> str:
    """Offset, bytes in hex, and what of them is printable, as `hexdump -C` writes it."""
    lines = []
    for start in range(0, len(value), _HEX_LINE):
        part = value[start : start + _HEX_LINE]
        printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in part)
        lines.append(f"{start:08x}  {part.hex(' '):<{_HEX_LINE * 3 - 1}}  {printable}")
    return "\n".join(lines)
