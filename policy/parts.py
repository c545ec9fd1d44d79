"""What the parts of a policy have in common."""

from datetime import date
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:@/-]*$", max_length=200)]
Switch = Annotated[bool, Field(strict=True)]


class Part(BaseModel):
    """One part of a policy: frozen, and with no field that is not known."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, strict=False)


_Sortable = TypeVar("_Sortable", str, date, float)


def sorted_set(names: tuple[_Sortable, ...]) -> tuple[_Sortable, ...]:
    """Sorted and without duplicates: their order has no meaning, so it must not change the version."""
    return tuple(sorted(set(names)))
