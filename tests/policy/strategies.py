"""Random well-typed conditions and rows, for the tests that hold the three engines equal."""

from typing import Any

from hypothesis import strategies as st

from policy.words import ColumnType

COLUMNS = {
    "amount": ColumnType.FLOAT,
    "confidence": ColumnType.FLOAT,
    "age": ColumnType.INT,
    "country": ColumnType.STRING,
    "city": ColumnType.STRING,
    "novel": ColumnType.BOOL,
    "member": ColumnType.BOOL,
}

_texts = st.text(alphabet="aAbB zé'\\ß日%_", max_size=4)
_ints = st.integers(-(10**18) + 1, 10**18 - 1) | st.integers(-3, 3)
_floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.0, -0.0, 1.5, 0.1, 3.0])
_values = {
    ColumnType.FLOAT: _floats,
    ColumnType.INT: _ints,
    ColumnType.STRING: _texts,
    ColumnType.BOOL: st.booleans(),
}


def rows() -> st.SearchStrategy[dict[str, Any]]:
    """A row with a NULL here and there."""
    return st.fixed_dictionaries({name: st.none() | _values[kind] for name, kind in COLUMNS.items()})


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _literal(kind: ColumnType) -> st.SearchStrategy[str]:
    if kind is ColumnType.STRING:
        return _texts.filter(lambda text: "\\" not in text).map(_quoted)
    if kind is ColumnType.BOOL:
        return st.sampled_from(["TRUE", "FALSE"])
    if kind is ColumnType.INT:
        return _ints.map(str)
    return st.decimals(-10_000, 10_000, places=3).map(str)


def _columns(kind: ColumnType) -> st.SearchStrategy[str]:
    return st.sampled_from([name for name, its in COLUMNS.items() if its is kind])


def _terms(kind: ColumnType) -> st.SearchStrategy[str]:
    plain = _columns(kind)
    filled = st.builds(lambda column, default: f"coalesce({column}, {default})", plain, _literal(kind))
    if kind is ColumnType.FLOAT:
        return plain | filled | _columns(kind).map("abs({})".format) | _columns(ColumnType.INT).map("abs({})".format)
    if kind is ColumnType.INT:
        return plain | filled | _columns(ColumnType.STRING).map("length({})".format)
    return plain | filled


def _comparisons() -> st.SearchStrategy[str]:
    def of(kind: ColumnType) -> st.SearchStrategy[str]:
        operators = ["=", "<>"] if kind is ColumnType.BOOL else ["=", "<>", "!=", "<", "<=", ">", ">="]
        right = _literal(kind) | _terms(kind)
        return st.builds(lambda a, op, b: f"{a} {op} {b}", _terms(kind), st.sampled_from(operators), right)

    ordered = [ColumnType.FLOAT, ColumnType.INT, ColumnType.STRING]
    between = st.sampled_from(ordered).flatmap(
        lambda kind: st.builds(
            lambda a, low, high: f"{a} BETWEEN {low} AND {high}", _terms(kind), _literal(kind), _literal(kind)
        )
    )
    within = st.sampled_from(ordered).flatmap(
        lambda kind: st.builds(
            lambda a, no, values: f"{a} {no}IN ({', '.join(values)})",
            _terms(kind),
            st.sampled_from(["", "NOT "]),
            st.lists(_literal(kind), min_size=1, max_size=4),
        )
    )
    mixed = st.builds("{} > {}".format, _columns(ColumnType.INT), _columns(ColumnType.FLOAT))
    nothing = st.builds("{} IS {}NULL".format, st.sampled_from(list(COLUMNS)), st.sampled_from(["", "NOT "]))
    return (
        st.sampled_from(list(ColumnType)).flatmap(of) | between | within | mixed | nothing | _columns(ColumnType.BOOL)
    )


def conditions() -> st.SearchStrategy[str]:
    """SQL text of a condition over COLUMNS."""
    return st.recursive(
        _comparisons(),
        lambda inner: (
            st.builds("({} AND {})".format, inner, inner)
            | st.builds("({} OR {})".format, inner, inner)
            | st.builds("NOT ({})".format, inner)
        ),
        max_leaves=6,
    )
