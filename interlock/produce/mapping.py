"""How the columns of a file become the fields of a decision."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from interlock.errors import UsageError
from interlock.schemas.models import Decision

_SECTIONS = ("fields", "set", "attributes", "input", "id_prefix")


@dataclass(frozen=True)
class ColumnMapping:
    """`fields`: decision field by column; `constants`: field values for every row; `attributes`: attribute name by
    column; `input`: columns that make up the input; `id_prefix`: ids are this and the line number."""

    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    input: tuple[str, ...] = ()
    id_prefix: str | None = None

    def decision(self, row: Mapping[str, Any], line: int, now: datetime) -> dict[str, Any]:
        """The fields of the decision in one row. A row's own column of a field's name counts as mapped to it."""
        content = {name: row[name] for name in Decision.model_fields if name in row and row[name] is not None}
        content.update(self.constants)
        content.update({name: row.get(column) for name, column in self.fields.items()})
        if self.attributes:
            attributes = {name: row.get(column) for name, column in self.attributes.items()}
            content["attributes"] = {name: value for name, value in attributes.items() if value is not None}
        if self.input:
            content["input"] = {column: row.get(column) for column in self.input}
        if self.id_prefix is not None:
            content["decision_id"] = f"{self.id_prefix}{line}"
        content.setdefault("created_at", now)
        created = content["created_at"]
        if isinstance(created, datetime) and created.tzinfo is None:
            content["created_at"] = created.replace(tzinfo=UTC)
        return content

    def check(self, columns: Sequence[str], path: Path) -> None:
        """Raises InterlockError for a column that a table does not have."""
        for column in [*self.fields.values(), *self.attributes.values(), *self.input]:
            if column not in columns:
                similar = get_close_matches(column, columns, 1)
                hint = f" Did you mean {similar[0]!r}?" if similar else ""
                raise UsageError(f"{path} has no column {column!r}; it has {', '.join(columns)}.{hint}")


def load_mapping(path: Path) -> ColumnMapping:
    """A mapping file; raises InterlockError."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(f"cannot read the mapping {path}: {error}") from error
    if not isinstance(content, dict) or set(content) - set(_SECTIONS):
        raise UsageError(f"{path}: a mapping has the parts {', '.join(_SECTIONS)}")
    attributes = content.get("attributes", {})
    return ColumnMapping(
        fields=_known(content.get("fields", {}), path),
        constants=_known(content.get("set", {}), path),
        attributes=attributes if isinstance(attributes, dict) else {name: name for name in attributes},
        input=tuple(content.get("input", ())),
        id_prefix=content.get("id_prefix"),
    )


def extended(mapping: ColumnMapping, maps: list[str], sets: list[str], id_prefix: str | None) -> ColumnMapping:
    """With `field=column` and `field=value` pairs from the command line; raises InterlockError."""
    return ColumnMapping(
        fields={**mapping.fields, **_known(dict(_pair(text) for text in maps), "--map")},
        constants={**mapping.constants, **_known(dict(_pair(text) for text in sets), "--set")},
        attributes=mapping.attributes,
        input=mapping.input,
        id_prefix=id_prefix if id_prefix is not None else mapping.id_prefix,
    )


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{text!r}: write FIELD=COLUMN for --map and FIELD=VALUE for --set")
    return name, value


def _known(pairs: Any, where: Any) -> dict[str, Any]:
    if not isinstance(pairs, dict):
        raise UsageError(f"{where}: write a mapping of fields")
    unknown = sorted(set(pairs) - set(Decision.model_fields))
    if unknown:
        similar = get_close_matches(unknown[0], list(Decision.model_fields), 1)
        hint = f" Did you mean {similar[0]!r}?" if similar else ""
        fields = ", ".join(Decision.model_fields)
        raise UsageError(f"{where}: a decision has no field {unknown[0]!r}; it has {fields}.{hint}")
    return pairs
