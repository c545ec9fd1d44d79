"""ETag and If-Match (RFC 9110): a change is made to what was seen, or not at all."""

from interlock.api.problems import Problem


def etag(version: str) -> str:
    """As a header."""
    return f'"{version}"'


def check_match(if_match: str | None, present: str, what: str, *, required: bool = True) -> None:
    """`present`: the version there is, "" for none. Raises Problem: 428 without a header where something could be
    overwritten (`required`), 412 where it names another version."""
    if if_match is None:
        if required and present:
            detail = f"{what} exists: send If-Match with the ETag of what was seen, so that nobody's change is lost"
            raise Problem(428, "if-match-required", detail, headers={"ETag": etag(present)})
        return
    named = [tag.strip() for tag in if_match.split(",")]
    if present and ("*" in named or etag(present) in named):
        return
    now = "has changed since it was seen" if present else "does not exist"
    headers = {"ETag": etag(present)} if present else {}
    raise Problem(412, "stale", f"{what} {now}: read it again, then repeat; nothing was changed", headers=headers)
