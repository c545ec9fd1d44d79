"""The words of an explanation that not everybody knows."""

from collections.abc import Iterable

from interlock.processors.explanation.model import Term

# In the order of the alphabet; the stem by which a text is recognised that uses the word.
_TERMS = (
    (
        "appeal",
        "Appeal",
        "A request to decide again, with the statement of the person concerned. Somebody decides it "
        "who has not judged the case before.",
    ),
    ("challenger", "Challenger", "A model on trial: its answers are noted and have no effect."),
    (
        "check by a person",
        "Check at random",
        "A person judges, without knowing the model's answer, what has taken "
        "effect. Which decisions are checked is left to chance, so that the checks say how good the model is.",
    ),
    ("confidence", "Confidence", "The probability, as the model sees it, that its answer is right."),
    (
        "correct",
        "Corrected confidence",
        "Models are often too sure of themselves. Their confidence is corrected by "
        "what people decided in earlier cases.",
    ),
    ("notice", "Notice", "What the person concerned has to be told about a decision."),
    (
        "overrule",
        "Overruling",
        "A person puts another outcome in the place of one that has taken effect. What was done is then taken back.",
    ),
    (
        "policy",
        "Policy",
        "The written rules that say which answers of a model may take effect without a person. Each "
        "version has an identifier, by which its exact text is found.",
    ),
    ("queue", "Queue", "Where cases wait for a group of people."),
    (
        "stop (kill switch)",
        "Stop",
        "A switch with which people stop a model, or everything, from taking effect without a person.",
    ),
)


def terms(texts: Iterable[str]) -> tuple[Term, ...]:
    """The words that the texts use, explained."""
    used = "\n".join(texts).lower()
    return tuple(Term(word, meaning) for stem, word, meaning in _TERMS if stem in used)
