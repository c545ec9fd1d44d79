"""A mapping for a file that nobody has described yet, as YAML to be read, corrected and saved."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

from interlock.produce import values
from interlock.produce.columns import required
from interlock.produce.layout import Layout
from interlock.produce.mapping import ColumnMapping
from interlock.produce.recognition import recognised, simple
from interlock.produce.rows import Problem, Rows
from interlock.produce.values import CellError
from interlock.schemas import json_text
from interlock.schemas.models import Decision

# Enough to tell a score from an amount, little to wait for.
SAMPLE_ROWS = 1_000

# A guess is kept where this share of a column's values fits: files have slips, which are named when they are sent.
_FITTING_SHARE = 0.9

# Fields that one cell can hold.
_FLAT = (
    "decision_id", "domain", "model_id", "model_version", "prediction", "confidence", "created_at", "impact", "amount",
    "novel", "compliance_review", "jurisdiction", "subject_id",
)  # fmt: skip

# Texts that YAML readers of any version take for text without quotes.
_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n|nan|inf)$)[A-Za-z_][A-Za-z0-9_]*", re.IGNORECASE)


def propose(rows: Rows, mapping: ColumnMapping, now: datetime) -> str:
    """A mapping file on top of `mapping`, with comments on what was recognised and what is missing."""
    sample = [row.content for row in islice(iter(rows), SAMPLE_ROWS)]
    contents = [content for content in sample if not isinstance(content, Problem)]
    columns = list(dict.fromkeys(rows.columns or (name for content in contents for name in content)))
    repeated = [name for name, count in Counter(rows.columns or ()).items() if count > 1 and name]
    columns = [name for name in columns if name and name not in repeated]
    decimal = mapping.layout.decimal
    if decimal == "." and _decimal_commas(contents, columns):
        decimal = ","
    taken = {*mapping.named_columns(), *mapping.ignore}
    wanted = [name for name in mapping.own_fields() if name in _FLAT]
    guesses, doubts = _fitting(
        recognised([name for name in columns if name not in taken], wanted), contents, decimal, mapping.layout, now
    )
    fields = {**mapping.fields, **{name: column for name, column in guesses.items() if name != column}}
    used = {*taken, *guesses.values(), *Decision.model_fields}
    missing = [name for name in required(mapping) if name not in guesses and name not in columns]
    id_prefix = mapping.id_prefix
    if "decision_id" in missing:
        id_prefix = f"{simple(rows.name.rpartition('/')[2].partition('.')[0]) or 'row'}-"
        missing.remove("decision_id")
    comments = [f"Proposed for {rows.name} from {len(contents):,} rows: read it, correct it, and give it to --mapping."]
    if named := [name for name, column in guesses.items() if name == column]:
        comments.append(f"Named as fields, and taken as such: {', '.join(named)}.")
    comments += doubts
    comments += [f"Two columns are named {name!r}: rename one." for name in repeated]
    if len(contents) < len(sample):
        comments.append(f"{len(sample) - len(contents):,} more rows cannot be read; --dry-run says why.")
    proposed = replace(
        mapping,
        fields=fields,
        input=(*mapping.input, *(name for name in columns if name not in used)),
        id_prefix=id_prefix,
        layout=replace(mapping.layout, decimal=decimal),
    )
    return _as_yaml(proposed, comments, missing)


def _decimal_commas(contents: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> bool:
    """Whether what is called a confidence or an amount is written with decimal commas."""
    for column in recognised(columns, ("confidence", "amount")).values():
        cells = [content[column] for content in contents if content.get(column) is not None]
        if any(isinstance(cell, str) and "," in cell and _is_number(cell, ",") for cell in cells):
            return True
    return False


def _fitting(
    guesses: Mapping[str, str], contents: Sequence[Mapping[str, Any]], decimal: str, layout: Layout, now: datetime
) -> tuple[dict[str, str], list[str]]:
    """The guesses that the values bear out, and a comment on what does not fit. A name that is exactly a field's is no
    guess."""
    fitting: dict[str, str] = {}
    doubts = []
    for name, column in guesses.items():
        cells = [content[column] for content in contents if content.get(column) is not None]
        wrong = [] if name == column else _contradictions(name, cells, decimal, layout, now)
        if len(wrong) <= (1 - _FITTING_SHARE) * len(cells):
            fitting[name] = column
            if wrong:
                doubts.append(
                    f"{column!r} is taken for {name}, but in {len(wrong):,} of {len(cells):,} rows {wrong[0]}."
                )
        else:
            doubts.append(f"{column!r} sounds like {name}, but {wrong[0]}.")
    return fitting, doubts


def _contradictions(name: str, cells: Sequence[Any], decimal: str, layout: Layout, now: datetime) -> list[str]:
    """What is wrong with each cell that cannot be such a field."""
    if name == "decision_id" and len(set(map(str, cells))) < len(cells):
        return ["its values repeat"] * len(cells)  # the column of a customer or a product, for example
    found = (_contradiction(name, cell, decimal, layout, now) for cell in cells)
    return [wrong for wrong in found if wrong is not None]


def _contradiction(name: str, cell: Any, decimal: str, layout: Layout, now: datetime) -> str | None:
    try:
        if name in ("confidence", "amount"):
            number = float(values.number(cell, decimal))
            if name == "confidence" and not 0 <= number <= 1:
                return f"{cell!r} is not between 0 and 1"
        elif name == "created_at":
            values.plausible(cell, values.time(cell, layout.zone, now))
        elif not isinstance(values.text(cell), str):
            return f"{cell!r} is no text"
    except CellError as error:
        return f"{error.value!r} {error.kind}"
    except (TypeError, ValueError):
        return f"{cell!r} is no number"
    return None


def _is_number(cell: str, decimal: str) -> bool:
    try:
        values.number(cell, decimal)
    except CellError:
        return False
    return True


def _as_yaml(mapping: ColumnMapping, comments: Sequence[str], missing: Sequence[str]) -> str:
    lines = [f"# {json_text.printable(comment)}" for comment in comments]
    lines += _block("fields", mapping.fields) or ["fields: {}"]
    lines += _block("set", mapping.constants)
    if missing:
        lines.append(
            "# Missing, because no column sounds like it: say what holds for all rows, or name a column above."
        )
        lines += ["# set:"] * (not mapping.constants) + [f"#   {name}:" for name in missing]
    lines += _block("attributes", mapping.attributes)
    if mapping.input:
        lines.append(
            "# Shown to reviewers. What rules use belongs under `attributes`, what nobody needs under `ignore`."
        )
        lines.append(_list("input", mapping.input))
    if mapping.ignore:
        lines.append(_list("ignore", mapping.ignore))
    if mapping.ignore_unknown:
        lines.append("ignore_unknown: true")
    if mapping.id_prefix is not None:
        lines.append(f"id_prefix: {_scalar(mapping.id_prefix)}    # ids are this, the file's hash and the line")
    lines += [
        f"{name}: {_scalar(value)}" for name, value in vars(mapping.layout).items() if value != getattr(Layout(), name)
    ]
    return "\n".join(lines) + "\n"


def _list(key: str, names: Sequence[str]) -> str:
    return f"{key}: [{', '.join(map(_scalar, names))}]"


def _block(key: str, pairs: Mapping[str, Any]) -> list[str]:
    if not pairs:
        return []
    return [f"{key}:", *(f"  {_scalar(name)}: {_scalar(value)}" for name, value in pairs.items())]


def _scalar(value: Any) -> str:
    """As YAML of any version reads it back: whatever could be something else is quoted."""
    text = json_text.printable(str(value)) if isinstance(value, str) else json_text.dumps(value)
    return text if not isinstance(value, str) or _PLAIN.fullmatch(text) else json.dumps(text)
