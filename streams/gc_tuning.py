"""Python's garbage collector kept off the hot path."""

import gc

# A batch keeps some 10,000 messages and their bytes alive, so that the default thresholds (700 / 10 / 10) start a
# full collection every few batches, each of them walking every object of every imported library. Objects of a
# batch form no cycles: reference counts free them. The young generation is still collected, for libraries that
# do make cycles.
_YOUNG = 50_000
_MIDDLE = 20
_OLD = 1_000


def keep_off_the_hot_path() -> None:
    """Call once after start-up: what exists now is never looked at again, full collections become rare."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
