"""Which column is probably which field, by its name."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from enum import Enum

# What other systems call a field; names are compared in small letters, with _ for whatever is no letter or digit.
_OTHER_NAMES = {
    "decision_id": "id case_id case case_no claim_no claim_id claim application_id request_id record_id transaction_id "
    "loan_id order_id reference ref uuid key",
    "domain": "use_case usecase topic process",
    "model_id": "model model_name classifier",
    "model_version": "version model_ver model_release",
    "prediction": "predicted predicted_label predicted_class label outcome decision answer result class recommendation "
    "suggestion suggested "
    "vorhersage ergebnis",
    "confidence": "score probability predicted_probability proba prob p certainty conf konfidenz",
    "created_at": "timestamp ts time created date datetime decided_at event_time predicted_at scored_at zeitpunkt "
    "datum",
    "amount": "sum value price total principal loan_amount betrag summe montant importe",
    "subject_id": "customer_id customer person_id client_id applicant_id user_id account_id subject kunde",
    "jurisdiction": "country_code law",
}
_FIELD_OF = {name: field for field, names in _OTHER_NAMES.items() for name in names.split()}

# A misspelling of one or two letters; less alike is another word.
_ALIKE = 0.8


class Way(Enum):
    """How a name can mean a field, the surest first."""

    EXACT_NAME = 0
    OTHER_SPELLING = 1
    OTHER_WORD = 2
    MISSPELLING = 3


def recognised(columns: Iterable[str], wanted: Iterable[str]) -> dict[str, str]:
    """Column by field, for those of `wanted` that a column is probably meant for. No column is named twice."""
    left = {column: simple(column) for column in columns if column}
    missing = list(wanted)
    found: dict[str, str] = {}
    for way in Way:
        for column, name in list(left.items()):
            field = _guess(way, column, name, missing)
            if field in missing:
                found[field] = column
                missing.remove(field)
                del left[column]
    return found


def _guess(way: "Way", column: str, name: str, missing: list[str]) -> str:
    match way:
        case Way.EXACT_NAME:
            return column
        case Way.OTHER_SPELLING:
            return name
        case Way.OTHER_WORD:
            return _FIELD_OF.get(name, "")
        case Way.MISSPELLING:
            return next(iter(get_close_matches(name, missing, 1, _ALIKE)), "")


def simple(name: str) -> str:
    """A name without what people write differently: capitals, blanks, hyphens."""
    return re.sub(r"[\W_]+", "_", name.strip().lower()).strip("_")
