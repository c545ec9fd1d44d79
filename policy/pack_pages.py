"""The pages about packs, written from their files: each duty, the feature that fulfils it, the test that shows it."""

from collections.abc import Iterator, Mapping

from interlock.policy.model import Pack
from interlock.policy.regulation import FEATURES, NO_ADVICE, Regulation

# Where the pages stand, from the root of the repository: their links count from there.
FOLDER = "docs/packs"

_GENERATED = "<!-- Written by `interlock policy packs --pages docs/packs` from policy/packs; do not edit. -->"


def pages(regulations: Mapping[str, Regulation]) -> dict[str, str]:
    """The text of every page by file name."""
    return {
        "README.md": _lines(_overview(regulations)),
        **{f"{name}.md": _lines(_page(name, one)) for name, one in regulations.items()},
    }


def _overview(regulations: Mapping[str, Regulation]) -> Iterator[str]:
    yield "# Packs"
    yield ""
    yield _GENERATED
    yield ""
    yield NO_ADVICE
    yield ""
    yield "A policy that names a pack (`packs: [ecoa-fcra]`) does what the pack demands; one that cannot is refused,"
    yield "with the reason. What is in use on your platform:"
    yield ""
    yield "    interlock policy packs"
    yield ""
    yield "| pack | for | duties |"
    yield "|---|---|---|"
    for name, one in regulations.items():
        yield f"| [`{name}`]({name}.md) | {one.title} | {len(one.duties)} |"
    yield ""
    yield "A duty names the feature of Interlock that fulfils it:"
    yield ""
    yield "| feature | what it does |"
    yield "|---|---|"
    for feature, (text, page) in FEATURES.items():
        yield f"| [`{feature}`](../{page}) | {text} |"


def _page(name: str, one: Regulation) -> Iterator[str]:
    yield f"# {one.title}"
    yield ""
    yield _GENERATED
    yield ""
    yield f"Pack `{name}`: {one.pack.because}"
    yield NO_ADVICE
    yield ""
    yield "| duty | source | feature | test |"
    yield "|---|---|---|---|"
    for duty in one.duties:
        file, _, test = duty.test.partition("::")
        page = FEATURES[duty.enforced_by][1]
        yield (f"| {duty.text} | {duty.source} | [`{duty.enforced_by}`](../{page}) | [`{test}`](../../{file}) |")
    demanded = list(demands(one.pack))
    if demanded:
        yield ""
        yield "What a policy with this pack demands:"
        yield ""
        yield from (f"* {line}" for line in demanded)
    if one.sources:
        yield ""
        yield "Sources: " + ", ".join(f"[{source.name}]({source.url})" for source in one.sources) + "."


def demands(pack: Pack) -> Iterator[str]:
    """What a pack makes a policy do, a sentence each."""
    for rule in pack.rules:
        people = " of two people" if rule.four_eyes else ""
        yield f"route `{rule.route}`{people} where `{rule.when}`: {rule.because}"
    if pack.qualifications:
        yield f"whoever decides is qualified as {_names(pack.qualifications)}"
    if pack.retention_days:
        yield f"records are kept for {pack.retention_days} days"
    if pack.notify_within_days:
        yield f"the person concerned is told within {pack.notify_within_days} days from the decision"
    if pack.appeal_days:
        yield f"an outcome can be appealed for {pack.appeal_days} days"
    if pack.notices:
        yield f"every adverse outcome gives the notice {_names(pack.notices)}"
    for text in pack.attestations:
        yield f"whoever decides declares: “{text}”"
    if pack.evidence_opened:
        yield "whoever decides has opened the evidence"
    if pack.reason_codes:
        yield f"an adverse outcome needs a reason; codes: {_names(pack.reason_codes)}"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _lines(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"
