"""How the columns of a file become the fields of a decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from interlock.errors import UsageError
from interlock.policy.errors import PolicyError
from interlock.policy.source_map import Document
from interlock.policy.syntax import near
from interlock.produce.layout import Layout
from interlock.schemas.models import Decision

# What a mapping file may hold: how columns become fields, then how the file is written.
LAYOUT_KEYS = tuple(each.name for each in fields(Layout))
KEYS = ("fields", "set", "attributes", "input", "ignore", "ignore_unknown", "id_prefix", *LAYOUT_KEYS)

# What the reader of YAML says of a file of another kind, a policy being what it reads otherwise.
_OTHER_FILE = "a policy is a YAML mapping of fields"


@dataclass(frozen=True)
class ColumnMapping:
    """`fields`: column by decision field; `constants`: value by field, for every row; `attributes`: column by attribute
    name; `input`: columns that make up the input; `ignore`: columns that are left out; `ignore_unknown`: leaves out
    all others too; `id_prefix`: ids are this, the hash of the file and the line number."""

    fields: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    input: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    ignore_unknown: bool = False
    id_prefix: str | None = None
    layout: Layout = field(default_factory=Layout)

    def own_fields(self) -> tuple[str, ...]:
        """Those for which a column of the field's name counts as mapped to it."""
        others = {*self.fields, *self.constants, *self.ignore}
        return tuple(name for name in Decision.model_fields if name not in others)

    def named_columns(self) -> tuple[str, ...]:
        """The columns that the mapping needs."""
        return (*self.fields.values(), *self.attributes.values(), *self.input)


def load_mapping(path: Path) -> ColumnMapping:
    """A mapping file; raises InterlockError."""
    try:
        document = Document(path.read_text(encoding="utf-8-sig"), str(path))
    except OSError as error:
        raise UsageError(f"cannot read the mapping {path}: {error.strerror}") from error
    except PolicyError as error:
        raise UsageError(str(error).replace(_OTHER_FILE, f"a mapping is YAML with {', '.join(KEYS)}")) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the mapping {path} is not UTF-8 text: byte 0x{error.object[error.start]:02X}") from error
    return _Parts(document).mapping()


def extended(
    mapping: ColumnMapping,
    *,
    maps: list[str] | None = None,
    sets: list[str] | None = None,
    attributes: list[str] | None = None,
    input: list[str] | None = None,
    ignore_unknown: bool = False,
    id_prefix: str | None = None,
    **layout: str | None,
) -> ColumnMapping:
    """With what the command line says; raises InterlockError. `maps` and `sets` are pairs such as `field=value`."""
    return ColumnMapping(
        fields={**mapping.fields, **_known(dict(_pair(text, "--map", "FIELD=COLUMN") for text in maps or ()), "--map")},
        constants={
            **mapping.constants,
            **_known(dict(_pair(text, "--set", "FIELD=VALUE") for text in sets or ()), "--set"),
        },
        attributes={**mapping.attributes, **dict(_attribute(text) for text in attributes or ())},
        input=tuple(dict.fromkeys((*mapping.input, *(input or ())))),
        ignore=mapping.ignore,
        ignore_unknown=mapping.ignore_unknown or ignore_unknown,
        id_prefix=id_prefix if id_prefix is not None else mapping.id_prefix,
        layout=replace(
            mapping.layout,
            **{name: _plain(name, value) for name, value in layout.items() if value is not None},
        ),
    )


class _Parts:
    """The keys of a mapping file, each checked; an error names the line."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._data: dict[Any, Any] = document.data

    def mapping(self) -> ColumnMapping:
        """Raises UsageError."""
        for key in self._data:
            if key not in KEYS:
                raise self._error((str(key),), "unknown key", near(str(key), KEYS))
        layout = {name: _plain(name, self._text(name)) for name in LAYOUT_KEYS if self._data.get(name) is not None}
        mapping = ColumnMapping(
            fields=self._columns("fields", of_decision=True),
            constants=self._known_fields("set"),
            attributes=self._columns("attributes"),
            input=self._names("input"),
            ignore=self._names("ignore"),
            ignore_unknown=self._flag("ignore_unknown"),
            id_prefix=self._text("id_prefix") if self._data.get("id_prefix") is not None else None,
            layout=Layout(**layout),
        )
        try:
            mapping.layout.check()
        except UsageError as error:
            raise UsageError(f"{self._document.source}: {error}") from error
        return mapping

    def _columns(self, key: str, *, of_decision: bool = False) -> dict[str, str]:
        """Column by name. Where the names need not be fields, a list says that columns are named as they are."""
        given = self._data.get(key)
        if isinstance(given, list) and not of_decision:
            return {name: name for name in self._names(key)}
        pairs = self._known_fields(key) if of_decision else self._pairs(key)
        for name, column in pairs.items():
            if not isinstance(column, str | int | float):
                raise self._error((key, str(name)), "write the name of a column")
        return {str(name): str(column) for name, column in pairs.items()}

    def _known_fields(self, key: str) -> dict[str, Any]:
        pairs = self._pairs(key)
        for name in pairs:
            if name not in Decision.model_fields:
                raise self._error(
                    (key, str(name)), "a decision has no such field", near(str(name), Decision.model_fields)
                )
        return pairs

    def _pairs(self, key: str) -> dict[Any, Any]:
        given = self._data.get(key)
        if given is None:
            return {}
        if not isinstance(given, dict):
            raise self._error((key,), "write a mapping, such as {amount: Betrag}")
        return given

    def _names(self, key: str) -> tuple[str, ...]:
        given = self._data.get(key)
        if given is None:
            return ()
        if not isinstance(given, list) or not all(isinstance(name, str | int | float) for name in given):
            raise self._error((key,), "write a list of columns, such as [age, region]")
        return tuple(map(str, given))

    def _text(self, key: str) -> str:
        given = self._data[key]
        if not isinstance(given, str | int) or isinstance(given, bool):
            raise self._error((key,), "write a text")
        return str(given)

    def _flag(self, key: str) -> bool:
        given = self._data.get(key, False)
        if not isinstance(given, bool):
            raise self._error((key,), "write true or false")
        return given

    def _error(self, path: tuple[str, ...], message: str, suggestion: str = "") -> UsageError:
        return UsageError(str(self._document.problem(path, message, suggestion)))


def _plain(name: str, value: str) -> str:
    """A delimiter may be written as in other tools: \\t or tab."""
    return "\t" if name == "delimiter" and value in ("\\t", "tab") else value


def _attribute(text: str) -> tuple[str, str]:
    name, equals, column = text.partition("=")
    return name, column if equals else name


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{option} {text!r}: write {form}")
    return name, value


def _known(pairs: dict[str, str], option: str) -> dict[str, str]:
    for name in pairs:
        if name not in Decision.model_fields:
            raise UsageError(f"{option}: a decision has no field {name!r} ({near(name, Decision.model_fields)})")
    return pairs
