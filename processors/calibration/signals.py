"""What a monitor writes on an alarm: a drift signal for programs and an alert for people.

A shift of confidence has a kind of alert of its own, so that people can subscribe to alarms about errors alone.
"""

from interlock.processors.events import Event, alert
from interlock.schemas import catalogue


def drift(
    monitor: str,
    *,
    cause: str,
    model_id: str,
    model_version: str,
    domain: str,
    statistic: float,
    threshold: float,
    seen: int,
    message: str,
    at: int,
    revokes: tuple[str, ...] = (),
) -> list[Event]:
    """The signal of one alarm and the alert about it; `cause` distinguishes it from others of this monitor and
    model."""
    signal_id = f"{monitor}/{model_id}@{model_version}/{cause}"
    record = {
        "signal_id": signal_id,
        "monitor": monitor,
        "model_id": model_id,
        "model_version": model_version,
        "domain": domain,
        "statistic": statistic,
        "threshold": threshold,
        "seen": seen,
        "message": message,
        "revokes": list(revokes),
        "at": at,
    }
    kind = "confidence_shift" if monitor == "confidence" else "drift"
    return [
        Event(catalogue.DRIFT_SIGNALS, signal_id, record),
        alert(kind, signal_id, "warning", (), f"{model_id}@{model_version}: {message}", at),
    ]
