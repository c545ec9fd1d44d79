"""The health check of the image: ends with 1 where the role of this container does not answer or asks for a restart."""

import os

from interlock.platform.probes import role_problem


def problem(port: str) -> str | None:
    """What is wrong with the role whose metrics port this is. A command without one is as well as its process."""
    if port in ("", "0"):
        return None
    try:
        return role_problem(int(port))
    except OSError as error:
        return f"nothing answers on the metrics port {port} ({error})"


if __name__ == "__main__":
    raise SystemExit(problem(os.environ.get("INTERLOCK_METRICS_PORT", "")))
