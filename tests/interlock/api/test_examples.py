"""The examples of the OpenAPI document run: each body is taken by the operation that shows it."""

from collections.abc import Iterator
from typing import Any

import pytest

from interlock.api.contract import document
from tests.interlock.api.api_world import World

# What is wrong with a body. Whatever else is answered, the example was understood.
_MALFORMED = (400, 413, 415)

# In paths, of things that do not exist.
_NAMES = {"task_id": "loan-42", "decision_id": "loan-42", "name": "lending", "reviewer": "ann", "proposal_id": "p-1"}


def _shown() -> Iterator[tuple[str, str, Any]]:
    """Method, path and example of every operation that shows one."""
    described = document()
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            schema = content.get("schema", {})
            named = described["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2], {})
            examples = [content.get("example"), named.get("example"), *named.get("examples", ())]
            for example in examples:
                if example is not None:
                    yield method.upper(), path, example


def test_there_are_examples_for_producers_reviewers_and_owners() -> None:
    shown = {path for _, path, _ in _shown()}
    assert {"/v1/decisions", "/v1/tasks/{task_id}/submit", "/v1/policies/{name}/publish"} <= shown


@pytest.mark.parametrize(
    ("method", "path", "example"), [pytest.param(*one, id=f"{one[0]} {one[1]}") for one in _shown()]
)
def test_the_body_of_an_example_is_taken(api: World, method: str, path: str, example: Any) -> None:
    for name, value in _NAMES.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path
    response = (api.put_to if method == "PUT" else api.post)(path, example, if_match='"any"')
    assert response.status_code not in _MALFORMED, response.text
    # 422 may speak of what is in force, but of no field of the body.
    assert not (response.status_code == 422 and response.json().get("errors")), response.text
