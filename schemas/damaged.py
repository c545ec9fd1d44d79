"""What can be read of a record that is damaged: its fields up to the damage, and which ones are lost.

The router forwards what follows a decision's routing fields unread. A record that is damaged there is routed all the
same, and the person who gets it must see what there is, and what is not.
"""

from copy import deepcopy
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from interlock.schemas import avro_schemas, wire


@dataclass(frozen=True, slots=True)
class Readable:
    """A record, and what is wrong with it: sentences that name fields, none for a record that is whole.

    A field that is lost has its default. Text that is not UTF-8 has U+FFFD for what cannot be read.
    """

    record: dict[str, Any]
    damage: tuple[str, ...] = ()


def read(name: str, message: bytes | None) -> Readable:
    """What can be read of a framed message of schema `name`.

    Raises WireError if it is not framed so, or if a field without a default is lost.
    """
    try:
        return Readable(wire.decode(name, message))
    except wire.WireError:
        body = wire.current_body(name, message)
    stream = BytesIO(body)
    damage: list[str] = []
    record, whole = _record(stream, avro_schemas.parsed(name), "", damage)
    if whole and (rest := len(body) - stream.tell()):
        damage.append(f"{rest} bytes follow the end of the record")
    return Readable(record, tuple(damage))


def _record(stream: BytesIO, schema: dict[str, Any], path: str, damage: list[str]) -> tuple[dict[str, Any], bool]:
    """The fields of a record, and whether it was read to its end."""
    record: dict[str, Any] = {}
    whole = True
    for field in schema["fields"]:
        name, kind = field["name"], field["type"]
        if not whole:
            record[name] = _default(field, damage)
        elif isinstance(kind, dict) and kind["type"] == "record":
            record[name], whole = _record(stream, kind, f"{path}{name}.", damage)
        else:
            start = stream.tell()
            try:
                record[name] = wire.read_record(stream, kind)
            except wire.WireError as error:
                lost = f"{path}{name} and what follows it cannot be read: {error}"
                if error.reason == "invalid-utf8":
                    stream.seek(start)
                    try:
                        record[name] = _replaced(wire.read_record(stream, _bytes_for_strings(kind)))
                        damage.append(f"{path}{name} is not UTF-8 throughout")
                        continue
                    except wire.WireError as second:
                        lost = f"{path}{name} and what follows it cannot be read: {second}"
                damage.append(lost)
                record[name], whole = _default(field, damage), False
    return record, whole


def _default(field: dict[str, Any], damage: list[str]) -> Any:
    kind = field["type"]
    if isinstance(kind, dict) and kind["type"] == "record":
        return {inner["name"]: _default(inner, damage) for inner in kind["fields"]}
    if "default" not in field:
        raise wire.WireError("malformed-avro", damage[-1])
    return deepcopy(field["default"])


def _bytes_for_strings(kind: Any) -> Any:
    """The type with bytes in place of strings, which stand alike on the wire; keys of maps stay strings."""
    if kind == "string":
        return "bytes"
    if isinstance(kind, list):
        return [_bytes_for_strings(branch) for branch in kind]
    if not isinstance(kind, dict):
        return kind
    changed = {key: value for key, value in kind.items() if key != "default"}
    for part in ("type", "items", "values"):
        if part in changed:
            changed[part] = _bytes_for_strings(changed[part])
    if "fields" in changed:
        fields = [{key: value for key, value in field.items() if key != "default"} for field in changed["fields"]]
        changed["fields"] = [{**field, "type": _bytes_for_strings(field["type"])} for field in fields]
    return changed


def _replaced(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, list):
        return [_replaced(item) for item in value]
    if isinstance(value, dict):
        return {key: _replaced(item) for key, item in value.items()}
    return value
