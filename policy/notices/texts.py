"""Which text a notice has in which language, with the built-in ones written out."""

from collections.abc import Mapping

from interlock.policy.notices.kinds import Kind, kind, kind_names
from interlock.policy.notices.terms import Notice


def kind_of(name: str, notice: Notice) -> Kind | None:
    """The built-in kind whose duties the notice `name` meets; None where it is of no such kind."""
    wanted = notice.template or name
    return kind(wanted) if wanted in kind_names() else None


def written_out(notices: Mapping[str, Notice]) -> dict[str, Notice]:
    """Every notice with the texts that it does not give itself.

    What is published is then all that a text depends on: a later release with other built-in texts changes no notice.
    """
    return {name: _written_out(name, notice) for name, notice in notices.items()}


def _written_out(name: str, notice: Notice) -> Notice:
    its_kind = kind_of(name, notice)
    if its_kind is None:
        return notice
    built_in = {
        "texts": {language: its_kind.texts[language] for language in notice.languages if language in its_kind.texts},
        "withdrawals": {
            language: its_kind.withdrawals[language]
            for language in notice.languages
            if language in its_kind.withdrawals
        },
    }
    groups = (
        tuple(group.facts) for group in its_kind.groups.values() if not notice.facts.keys().isdisjoint(group.facts)
    )
    return notice.model_copy(
        update={
            "texts": built_in["texts"] | notice.texts,
            "withdrawals": built_in["withdrawals"] | notice.withdrawals,
            "groups": tuple(dict.fromkeys((*notice.groups, *groups))),
        }
    )
