"""ETag and If-Match (RFC 9110): a change is made to what was seen, or not at all."""

from interlock.api.problems import Problem


def etag(version: str) -> str:
    """As a header."""
    return f'"{version}"'


def named(if_match: str) -> frozenset[str]:
    """The tags that the header names; none of ours has a comma."""
    return frozenset(tag.strip() for tag in if_match.split(","))


def check_match(if_match: str | None, present: str, what: str, *, required: bool = True) -> None:
    """`present`: the version there is, "" for none. Raises Problem: 428 without a header where something could be
    overwritten (`required`), 412 where it names another version."""
    if if_match is None:
        if required and present:
            detail = f"{what} exists: send If-Match with the ETag of what was seen, so that nobody's change is lost"
            raise Problem(428, "if-match-required", detail, headers={"ETag": etag(present)})
        return
    if present and {"*", etag(present)} & named(if_match):
        return
    now = "has changed since it was seen" if present else "does not exist"
    headers = {"ETag": etag(present)} if present else {}
    raise Problem(412, "stale", f"{what} {now}: read it again, then repeat; nothing was changed", headers=headers)
