"""What a policy says about the notices that it owes."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from interlock.policy.parts import Name, Part, Switch

# As in BCP 47, as far as letters to customers tell languages apart: en, es, pt-BR.
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$")]

# The keys of words that are the same in every language, and of those that stand in an attribute of the decision.
IN_EVERY_LANGUAGE = "text"
FROM_ATTRIBUTE = "attribute"

# A long paragraph. What is longer belongs into the text of the notice.
_MAX_SENTENCE = 2_000

# Some eight pages: no notice that a regulation asks for is nearly as long.
_MAX_TEXT = 20_000

# Codes and features of the largest scoring models; the sentences of all of them stand in each version of the policy.
_MAX_REASONS = 500


def _by_language(words: Any) -> Any:
    return {IN_EVERY_LANGUAGE: words} if isinstance(words, str) else words


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


FactName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Sentence = Annotated[str, Field(min_length=1, max_length=_MAX_SENTENCE)]
Text = Annotated[str, Field(min_length=1, max_length=_MAX_TEXT)]
Words = Annotated[
    dict[Annotated[str, Field(pattern=r"^(text|[a-z]{2,3}(-[A-Z]{2})?)$")], Sentence],
    BeforeValidator(_by_language),
    Field(min_length=1),
]
Fact = Annotated[
    dict[Annotated[str, Field(pattern=r"^(text|attribute|[a-z]{2,3}(-[A-Z]{2})?)$")], Sentence],
    BeforeValidator(_by_language),
    Field(min_length=1),
]


class Notice(Part):
    """A notice to the subject.

    `template`: the built-in kind whose duties it meets and whose texts it has where it gives none of its own; None: the
    kind of its own name, where there is one. `languages`: those it is written in; the first where a decision names no
    other in its attribute `language_attribute`. `texts` and `withdrawals`: by language, the notice itself and what is
    sent when it holds no longer; loading writes the built-in ones out. `action_taken`: what each outcome means for the
    subject. `facts`: what else the text says, as words, words by language, or the attribute that has it. `groups`: of
    facts that a case has all of, or none; loading adds those of its kind.
    `principal_reasons`: a specific sentence for each reason code and each feature of the model. `own_words`: reason
    codes with which the reviewer's own text is the reason. `quote_reviewer`: that text follows the sentences of other
    codes too. `max_reasons`: how many reasons it gives at most.
    """

    template: Name | None = None
    languages: Annotated[tuple[Language, ...], AfterValidator(_distinct)] = Field(("en",), min_length=1)
    language_attribute: Name = "language"
    texts: dict[Language, Text] = Field(default_factory=dict)
    withdrawals: dict[Language, Text] = Field(default_factory=dict)
    action_taken: dict[Name, Words] = Field(default_factory=dict)
    facts: dict[FactName, Fact] = Field(default_factory=dict)
    groups: tuple[tuple[FactName, ...], ...] = ()
    principal_reasons: dict[Annotated[str, Field(min_length=1, max_length=200)], Words] = Field(
        default_factory=dict, max_length=_MAX_REASONS
    )
    own_words: Annotated[tuple[Name, ...], AfterValidator(_distinct)] = ()
    quote_reviewer: Switch = False
    # More than four are not likely to be helpful: the official interpretation of 12 CFR 1002.9(b)(2).
    max_reasons: int = Field(4, ge=1, le=10, strict=True)


def said(words: Mapping[str, str], language: str) -> str | None:
    """The words in a language; None where there are none."""
    return words.get(language, words.get(IN_EVERY_LANGUAGE))
