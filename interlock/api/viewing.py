"""Who looks at a task just now, whichever process serves them."""

from interlock.api.backend import Backend
from interlock.schemas import catalogue, wire


def tell_viewing(backend: Backend, task_id: str, person: str) -> None:
    """Tells the others; it may get lost. Raises KafkaException where Kafka's client gave up."""
    record = {"task_id": task_id, "person": person, "at": backend.now()}
    backend.tell(catalogue.VIEWING.name, task_id, wire.encode("Viewing", record))


def viewers_of(backend: Backend, task_id: str) -> list[str]:
    """Who said so within the last minute."""
    return backend.board.viewers(task_id, backend.now())
