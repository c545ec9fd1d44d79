"""The kinds of rows in ClickHouse: SQL columns from which follows the key that the router computes for a row."""

from collections.abc import Iterable, Sequence

from interlock.policy.conditions.clickhouse import float_literal, matched, text_literal, to_clickhouse
from interlock.policy.kinds import CHALLENGER, KNOWN, UNKNOWN, Kinds
from interlock.policy.routing import IMPLAUSIBLE
from interlock.policy.vocabulary import Route

# Conditions in a 64-bit integer. ClickHouse parses a sum as a tree as deep as it has parts.
_WORD_BITS = 60


def kind_columns(kinds: Kinds) -> dict[str, str]:
    """SQL expressions by name, over rows with the routing columns and the columns of declared attributes.

    `confidence` is what lanes compare. The settings of `attributes.CLICKHOUSE_SETTINGS` hold for the attributes.
    """
    return {
        "lane": _lane(kinds),
        "level": _level(kinds),
        "standing": _standing(kinds),
        **{f"met_{number}": word for number, word in enumerate(_words(kinds))},
    }


def key_of(kinds: Kinds, values: Sequence[int]) -> int:
    """The key of the kind with these values of `kind_columns`."""
    lane, level, standing, *words = values
    met = 0
    for word in reversed(words):
        met = met << _WORD_BITS | word
    return kinds.key(lane, level, standing, met)


def _lane(kinds: Kinds) -> str:
    return f"{_index('domain', kinds.domains)} * {len(kinds.outcomes) + 1} + {_index('prediction', kinds.outcomes)}"


def _index(column: str, names: Sequence[str]) -> str:
    if not names:
        return "toUInt32(0)"
    indexes = ", ".join(f"toUInt32({index})" for index in range(len(names)))
    return f"transform(toString({column}), [{_texts(names)}], [{indexes}], toUInt32({len(names)}))"


def _level(kinds: Kinds) -> str:
    # Only lanes of their own: most pairs of a domain and an outcome have none, and the default thresholds.
    own = [(index, kinds.policy.thresholds(key.lane)) for index, key in enumerate(kinds.lanes) if key.lane]
    indexes = ", ".join(f"toUInt64({index})" for index, _ in own)
    below = []
    for route, default in enumerate(kinds.policy.thresholds(None)):
        threshold = float_literal(default)
        if own:
            listed = ", ".join(float_literal(thresholds[route]) for _, thresholds in own)
            threshold = f"transform(toUInt64(lane), [{indexes}], [{listed}], {threshold})"
        below.append(f"(confidence < {threshold})")
    level = " + ".join(below)
    if kinds.raw_thresholds:
        cases = "".join(
            f"lane = {index} AND (model_id, model_version) = {_tuple((model_id, model_version))}, "
            f"if(raw_confidence >= {float_literal(threshold)}, {Route.AUTO:d}, greatest({level}, {Route.ASYNC:d})), "
            for index, model_id, model_version, threshold in kinds.raw_thresholds
        )
        level = f"multiIf({cases}{level})"
    # NaN is not within any bounds.
    return f"if(confidence >= 0 AND confidence <= 1, {level}, {IMPLAUSIBLE})"


def _standing(kinds: Kinds) -> str:
    domains = kinds.policy.domains
    challengers = [_tuple(challenger) for challenger in kinds.challengers]
    any_model = [text_literal(name) for name in kinds.domains if "*" in domains[name].models]
    pairs = [_tuple((name, model)) for name in kinds.domains for model in domains[name].models]
    known = [
        *([f"domain IN ({', '.join(any_model)})"] if any_model else []),
        *([f"(domain, model_id) IN ({', '.join(pairs)})"] if pairs else []),
    ]
    cases = [
        *([f"(domain, model_id, model_version) IN ({', '.join(challengers)}), {CHALLENGER}"] if challengers else []),
        *([f"{' OR '.join(known)}, {KNOWN}"] if known else []),
    ]
    return f"multiIf({', '.join(cases)}, {UNKNOWN})" if cases else str(UNKNOWN)


def _words(kinds: Kinds) -> Iterable[str]:
    bits = [
        matched(condition) if in_doubt else f"ifNull({to_clickhouse(condition)}, 0)"
        for condition, in_doubt in kinds.conditions
    ]
    for start in range(0, len(bits), _WORD_BITS):
        word = bits[start : start + _WORD_BITS]
        yield " + ".join(f"toUInt64({bit}) * {1 << place}" for place, bit in enumerate(word))


def _texts(names: Iterable[str]) -> str:
    return ", ".join(map(text_literal, names))


def _tuple(texts: Iterable[str]) -> str:
    return f"({_texts(texts)})"
