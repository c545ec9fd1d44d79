"""Reasons that are none.

12 CFR 1002.9(b)(2): "Statements that the adverse action was based on the creditor's internal standards or policies or
that the applicant, joint applicant, or similar party failed to achieve a qualifying score on the creditor's credit
scoring system are insufficient." Regulation (EU) 2022/2065, article 17(4), asks for reasons that are as precise and
specific as reasonably possible.
"""

import re

# By language, as parts of a text in small letters whose words stand one space apart.
_PHRASES = {
    "en": (
        "internal policy", "internal policies", "internal standard", "internal criteria", "internal guideline",
        "internal rule", "company policy", "company policies", "bank policy", "lending policy", "credit policy",
        "policy of the bank", "policy of the creditor", "our policy", "our policies", "our standards", "our criteria",
        "our guidelines", "our internal", "policy reasons", "qualifying score", "credit scoring system",
        "scoring model", "score too low", "score was too low", "score is too low", "insufficient score",
        "minimum score", "required score", "did not meet our", "does not meet our", "do not meet our",
        "failed to meet our", "the algorithm decided", "the computer decided", "the model decided",
    ),
    "es": (
        "política interna", "políticas internas", "norma interna", "normas internas", "criterio interno",
        "criterios internos", "política de la empresa", "políticas de la empresa", "política del banco",
        "políticas del banco", "nuestra política", "nuestras políticas", "nuestras normas", "nuestros criterios",
        "puntaje mínimo", "puntuación mínima", "puntaje suficiente", "puntuación suficiente", "puntaje requerido",
        "puntuación exigida", "sistema de puntuación", "sistema de calificación crediticia",
    ),
    "de": (
        "interne richtlinie", "interner richtlinie", "internen richtlinie", "interne vorgabe", "interner vorgabe",
        "internen vorgabe", "interne regel", "interner regel", "internen regel", "interne standards",
        "interner standards", "internen standards", "geschäftspolitik", "kreditpolitik", "unsere richtlinien",
        "unserer richtlinien", "unseren richtlinien", "unsere kriterien", "unseren kriterien",
        "erforderliche punktzahl", "erforderlichen punktzahl", "notwendige punktzahl", "mindestpunktzahl",
        "scorewert", "score zu niedrig", "scoring-system",
    ),
}  # fmt: skip


def insufficient(text: str) -> str | None:
    """The phrase that makes `text` no reason, in whatever language; the text itself where it has no letter; else None.

    A list of phrases finds what regulations name and its usual variants. It cannot find every empty reason.
    """
    if not any(character.isalpha() for character in text):
        return text
    plain = normalised(text)
    return next((phrase for phrases in _PHRASES.values() for phrase in phrases if phrase in plain), None)


def normalised(text: str) -> str:
    """In small letters, with one space between words."""
    return re.sub(r"\s+", " ", text).strip().casefold()
