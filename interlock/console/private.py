"""Which fields of a case look like personal data, by their names: they are blurred until the reader asks for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words that make a name personal wherever they stand in it.
_PERSONAL = _words(
    "email mail phone telephone mobile fax address street postcode postal zip zipcode birth birthday birthdate dob "
    "dateofbirth ssn nino iban bic passport ip gps latitude longitude surname forename firstname lastname fullname "
    "username nickname phonenumber"
)

# Words that do so at the end of a name only: `home_city`, and not `city_size`; `credit_card`, and not `card_limit`.
_PERSONAL_AT_THE_END = frozenset({"card", "city", "town"})

# Words that do so together.
_PERSONAL_TOGETHER = tuple(
    _words(words)
    for words in ("card number", "account number", "national id", "tax id", "social security", "licence plate")
)

# A name is a person's if nothing else is said of it than whose: `customer_name`, and not `product_name`.
_WHOSE = _words(
    "name names first last middle given family full legal maiden preferred user customer applicant client person "
    "patient member account card holder owner employee guardian spouse partner parent contact sender recipient "
    "borrower insured beneficiary display"
)

# What is told about a piece of personal data is none: `email_verified`, `address_count`, `ip_risk_score`.
_ABOUT = _words(
    "age category changed changes count days match matches months rate risk score status type valid verified version "
    "years"
)

_NEW_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+")


def private_fields(value: Any) -> frozenset[str]:
    """Paths, as `json_block` names them, of the fields of a JSON value whose names look personal.

    What lies inside such a field is not listed: it is private as a whole.
    """
    return frozenset(_private(value, ""))


def looks_private(name: str) -> bool:
    """Whether a field of this name is likely to tell who somebody is. Its words count, in snake_case or camelCase."""
    words = [word.lower().rstrip("0123456789") for word in _NEW_WORD.split(name)]
    words = [word for word in words if word]
    if not words or words[-1] in _ABOUT:
        return False
    found = set(words)
    return bool(
        found & _PERSONAL
        or words[-1] in _PERSONAL_AT_THE_END
        or any(together <= found for together in _PERSONAL_TOGETHER)
        or (found & {"name", "names"} and found <= _WHOSE)
    )


def _private(value: Any, path: str) -> Iterator[str]:
    match value:
        case Mapping():
            for name, item in value.items():
                inner = f"{path}.{name}" if path else str(name)
                # A flag or nothing identifies nobody.
                if looks_private(str(name)) and not (item is None or isinstance(item, bool)):
                    yield inner
                else:
                    yield from _private(item, inner)
        case Sequence() if not isinstance(value, str | bytes):
            for item in value:
                yield from _private(item, path)
