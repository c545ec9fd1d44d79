"""A record of a compacted topic replaces what its key names, so that it must be about just that."""

from interlock.errors import InterlockError


class KeyMismatchError(InterlockError, ValueError):
    """The record is about something else than its key names."""

    def __init__(self, key: str, about: str) -> None:
        super().__init__(f"the record with the key {key!r} is about {about!r}: write it again under its own name")


def check_key(key: str, *names: str) -> None:
    """Raises KeyMismatchError where one of `names`, which the record gives, is not its key."""
    for name in names:
        if name != key:
            raise KeyMismatchError(key, name)
