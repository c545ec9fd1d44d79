"""What is wrong with the columns of a table, looked at once, before anything is sent."""

from collections import Counter
from collections.abc import Mapping, Sequence

from interlock.errors import UsageError
from interlock.policy.syntax import near
from interlock.produce.mapping import ColumnMapping
from interlock.produce.recognition import recognised
from interlock.schemas.models import Decision

# More names than a person reads.
_MAX_NAMED = 30


def check_columns(columns: Sequence[str], mapping: ColumnMapping, name: str) -> None:
    """Raises UsageError with everything that is wrong: columns that are missing, named twice, or used for nothing."""
    if not columns:
        return
    given = {*Decision.model_fields, *mapping.named_columns()}
    probably = recognised([column for column in columns if column not in given], _absent(columns, mapping))
    problems = [
        *_missing(columns, mapping, probably),
        *_repeated(columns, mapping),
        *_unused(columns, mapping, probably),
    ]
    if problems:
        raise UsageError(f"{name}: {'; '.join(problems)}. `interlock produce --explain` proposes a mapping")


def unknown_field(name: str) -> str:
    """What to do about a field of a line that is no field of a decision."""
    probably = recognised([name], Decision.model_fields)
    meant = f"; is it {next(iter(probably))}? Else" if probably else ":"
    return f"is no field of a decision{meant} say --attribute (for rules), --input (for reviewers) or --ignore-unknown"


def _absent(columns: Sequence[str], mapping: ColumnMapping) -> "list[str]":
    return [name for name in required(mapping) if name not in columns]


def _missing(columns: Sequence[str], mapping: ColumnMapping, probably: Mapping[str, str]) -> "list[str]":
    problems = []
    for column in dict.fromkeys(mapping.named_columns()):
        if column not in columns:
            problems.append(f"no column {column!r} ({near(column, columns, f'it has {_named(columns)}')})")
    if mapping.id_prefix is not None and (
        "decision_id" in mapping.fields or ("decision_id" in columns and "decision_id" in mapping.own_fields())
    ):
        problems.append("ids stand in a column, and --id-prefix makes others: leave one of them out")
    if missing := _absent(columns, mapping):
        one = " (if that is one column only by mistake, say --delimiter)" if len(columns) == 1 else ""
        meant = _suggested(probably)
        problems.append(
            f"no column gives {', '.join(missing)}; it has {_named(columns)}{one}{meant}; "
            "--map FIELD=COLUMN names a column, --set FIELD=VALUE a value for all rows"
        )
    return problems


def _repeated(columns: Sequence[str], mapping: ColumnMapping) -> "list[str]":
    counts = Counter(column for column in columns if column)
    repeated = [column for column, count in counts.items() if count > 1]
    used = {*mapping.named_columns(), *mapping.own_fields()}
    if mapping.ignore_unknown:
        repeated = [column for column in repeated if column in used]
    return [f"columns {_places(columns, column)} are both named {column!r}: rename one" for column in repeated]


def _unused(columns: Sequence[str], mapping: ColumnMapping, probably: Mapping[str, str]) -> "list[str]":
    if mapping.ignore_unknown:
        return []
    problems = []
    unnamed = [str(index) for index, column in enumerate(columns, 1) if not column]
    if unnamed:
        problems.append(
            f"column {', '.join(unnamed)} has no name: give it one, leave it out (pandas: index=False), "
            "or say --ignore-unknown"
        )
    known = {*Decision.model_fields, *mapping.named_columns(), *mapping.ignore, *probably.values(), ""}
    unknown = [column for column, count in Counter(columns).items() if count == 1 and column not in known]
    if unknown:
        others = {*columns, *required(mapping), "decision_id"}
        spare = [name for name in mapping.own_fields() if name not in others]
        problems.append(
            f"nothing is said about {_named(unknown)}: --attribute NAME gives a column to rules, --input NAME to "
            f"reviewers, --ignore-unknown leaves the others out{_suggested(recognised(unknown, spare))}"
        )
    return problems


def required(mapping: ColumnMapping) -> "list[str]":
    """The fields that a column, and nothing else, can give."""
    given = {*mapping.fields, *mapping.constants, "created_at"}
    if mapping.id_prefix is not None:
        given.add("decision_id")
    return [name for name, field in Decision.model_fields.items() if field.is_required() and name not in given]


def _suggested(probably: Mapping[str, str]) -> str:
    return "".join(
        f"; {name} is probably {column!r}: --map {_quoted(f'{name}={column}')}" for name, column in probably.items()
    )


def _places(columns: Sequence[str], name: str) -> str:
    return " and ".join(str(index) for index, column in enumerate(columns, 1) if column == name)


def _named(columns: Sequence[str]) -> str:
    shown = ", ".join(repr(column) for column in columns[:_MAX_NAMED])
    return shown if len(columns) <= _MAX_NAMED else f"{shown} and {len(columns) - _MAX_NAMED} more"


def _quoted(text: str) -> str:
    return f"'{text}'" if " " in text else text
