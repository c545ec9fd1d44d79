"""The packs that policies can use: their duties, and who uses them."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response, Security

from interlock.api.access.principal import Principal, authenticated
from interlock.api.answers import answer
from interlock.api.backend import backend_of
from interlock.api.problems import not_found
from interlock.policies.packs import pack_facts, published_uses
from interlock.policy.regulation import NO_ADVICE, pack_names, regulation
from interlock.schemas.models import MAX_ID_BYTES

router = APIRouter(prefix="/v1/packs", tags=["policies"])

Reader = Annotated[Principal, Security(authenticated, scopes=["policies:read"])]
PackName = Annotated[str, Path(description="Name of the pack.", max_length=MAX_ID_BYTES)]


@router.get("", summary="The packs, with their duties and the policies that use them")
def listed(request: Request, person: Reader) -> Response:  # noqa: ARG001 - who may
    """Each duty with its source, the feature that fulfils it and the test that shows it. No legal advice."""
    uses = published_uses(backend_of(request).broker)
    return answer({"advice": NO_ADVICE, "packs": [pack_facts(name, regulation(name), uses) for name in pack_names()]})


@router.get("/{name:id}", summary="One pack")
def one(request: Request, person: Reader, name: PackName) -> Response:  # noqa: ARG001
    """As in the list."""
    if name not in pack_names():
        raise not_found("pack", name)
    uses = published_uses(backend_of(request).broker)
    return answer({"advice": NO_ADVICE, **pack_facts(name, regulation(name), uses)})
