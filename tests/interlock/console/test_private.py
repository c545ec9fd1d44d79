"""Which fields look personal, and that they are blurred wherever they stand."""

import re
from typing import Any

import pytest

from interlock.console.json_block import json_block
from interlock.console.private import looks_private, private_fields


@pytest.mark.parametrize(
    "name",
    [
        "name",
        "first_name",
        "firstName",
        "LastName",
        "customer_name",
        "account_holder_name",
        "email",
        "emailAddress",
        "contact-email",
        "phone2",
        "mobile_phone",
        "home.address",
        "street",
        "city",
        "homeCity",
        "zip",
        "zip_code",
        "postcode",
        "date_of_birth",
        "birthDate",
        "dob",
        "SSN",
        "IBAN",
        "creditCard",
        "card_number",
        "passport_no",
        "ip",
        "IPAddress",
        "client_ip",
        "gps_position",
        "nationalId",
    ],
)
def test_a_name_of_personal_data_is_private(name: str) -> None:
    assert looks_private(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "product_name",
        "fileName",
        "merchant_name",
        "amount",
        "card_type",
        "cardLimit",
        "city_size",
        "capacity",
        "zipper",
        "shipping_cost",
        "description",
        "email_verified",
        "address_changes",
        "ip_risk_score",
        "phone_type",
        "scorecard",
        "__",
        "年齢",
    ],
)
def test_other_names_are_not(name: str) -> None:
    assert not looks_private(name)


def test_fields_are_named_by_their_paths_and_what_lies_in_a_private_one_is_not_listed() -> None:
    case = {
        "applicant": {"first_name": "Eva", "income": 1, "address": {"street": "Main St", "zip": "1"}},
        "children": [{"name": "Tom", "age": 3}, {"name": "Ida", "age": 5}],
        "has_phone": True,
        "phone": None,
        "term": 36,
    }
    assert private_fields(case) == {"applicant.first_name", "applicant.address", "children.name"}


@pytest.mark.parametrize("value", [None, "Eva Klein", 3, [], {}])
def test_a_value_without_fields_has_none_that_are_private(value: Any) -> None:
    assert private_fields(value) == frozenset()


@pytest.mark.parametrize(
    "value",
    [
        {"people": [{"name": "Eva", "age": 3}, {"name": "Ida", "age": 5}]},
        [{"name": "Eva", "age": 3}, {"name": "Ida", "age": 5}],
        [[{"name": "Eva"}], [{"name": "Ida"}]],
    ],
)
def test_private_fields_are_blurred_in_lists_too(value: Any) -> None:
    shown = str(json_block(value, private=private_fields(value)))
    for person in ("Eva", "Ida"):
        assert re.search(rf"<div data-private[^>]*><bdi[^>]*>{person}</bdi></div>", shown)
    assert len(re.findall("data-private", shown)) == 2
