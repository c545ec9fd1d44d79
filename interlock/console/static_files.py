"""Style sheets and scripts. Their address has a digest of all of them, so that browsers may keep them for good.

One digest for the whole folder, because modules import each other by relative addresses.
"""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Header, Response

from interlock.console.headers import COMMON

PREFIX = "/static"

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}

# A year, the longest that HTTP knows.
_FOR_GOOD = "public, max-age=31536000, immutable"

router = APIRouter(include_in_schema=False)


@cache
def contents() -> dict[str, bytes]:
    """Path below static/ and bytes of every file that is served. Read once: an installed package does not change."""
    found = {}
    folder = files("interlock.console") / "static"
    for prefix in ("", "vendor/"):
        for file in (folder / prefix).iterdir():
            if file.name.rpartition(".")[2] in _TYPES:
                found[prefix + file.name] = file.read_bytes()
    return found


@cache
def digest() -> str:
    """The same for the same files, on every machine."""
    summary = sha256()
    for path, content in sorted(contents().items()):
        summary.update(path.encode() + b"\0" + sha256(content).digest())
    return summary.hexdigest()[:12]


def address(path: str) -> str:
    """Where a page refers to a file; raises KeyError if there is none."""
    contents()[path]
    return f"{PREFIX}/{digest()}/{path}"


@router.get(PREFIX + "/{path:path}")
def serve(path: str, if_none_match: Annotated[str | None, Header()] = None) -> Response:
    """The file, with or without a digest before its path.

    Another digest is that of another version, during an upgrade: it gets the file of this one, not to be kept.
    """
    version, _, rest = path.partition("/")
    name = rest if rest in contents() else path
    content = contents().get(name)
    if content is None:
        return Response("no such file", status_code=404, media_type="text/plain", headers=COMMON)
    tag = f'"{sha256(content).hexdigest()[:24]}"'
    kept = _FOR_GOOD if version == digest() and name == rest else "no-cache"
    headers = {**COMMON, "ETag": tag, "Cache-Control": kept}
    if if_none_match is not None and tag in if_none_match:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=headers)
