"""What is wrong with the notices of a policy file.

A text is tried with marks in the place of everything that it must say: what it makes of them shows what a customer
would read, however the template is written.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from interlock.policy.errors import Diagnostic
from interlock.policy.model import Domain, Pack
from interlock.policy.notices.insufficient import insufficient, normalised
from interlock.policy.notices.kinds import Duty, Kind, kind_names
from interlock.policy.notices.rendering import Letter, NoticeTemplateError, render
from interlock.policy.notices.terms import FROM_ATTRIBUTE, Notice, said
from interlock.policy.notices.texts import kind_of, written_out
from interlock.policy.review import AGREE, OTHER, reason_codes
from interlock.policy.source_map import Document, FieldPath
from interlock.policy.syntax import near

_LOOP = "write {% for reason in principal_reasons %}- {{ reason }}{% endfor %}"


def notice_problems(
    raw: Mapping[Any, Any], domains: Mapping[str, Domain], packs: Sequence[Pack], document: Document
) -> Iterator[Diagnostic]:
    """Every notice that could not be sent, or would say too little. `raw`: the section as it was written."""
    given = {lane.notice for domain in domains.values() for lane in domain.lanes.values() if lane.notice is not None}
    for name, fields in raw.items():
        try:
            notice = Notice.model_validate(fields)
        except ValidationError:
            continue  # a problem of form, which is reported as such
        here: FieldPath = ("notices", name)
        if domains and name not in given:
            yield document.problem(here, "no lane gives this notice", near(str(name), sorted(given), "remove it"))
        yield from _kind_problems(str(name), notice, here, document)
        yield from _words_problems(notice, here, document)
        yield from _reason_problems(str(name), notice, domains, packs, here, document)
        yield from _outcome_problems(str(name), notice, domains, here, document)


def _kind_problems(name: str, notice: Notice, here: FieldPath, document: Document) -> Iterator[Diagnostic]:
    if notice.template is not None and notice.template not in kind_names():
        yield document.problem(
            (*here, "template"), f"there is no kind of notice {notice.template!r}", near(notice.template, kind_names())
        )
        return
    its_kind = kind_of(name, notice)
    if its_kind is not None:
        yield from _fact_problems(its_kind, notice, here, document)
    full = written_out({name: notice})[name]
    for language in notice.languages:
        for field, texts in (("texts", full.texts), ("withdrawals", full.withdrawals)):
            if language not in texts:
                known = f"built-in are {', '.join(sorted(its_kind.texts))}; " if its_kind else ""
                yield document.problem((*here, field), f"has no text in {language}", f"{known}write {field}.{language}")
    for field, own in (("texts", notice.texts), ("withdrawals", notice.withdrawals)):
        for language, text in own.items():
            where = (*here, field, language)
            if language not in notice.languages:
                yield document.problem(where, f"{language} is not among the languages", "add it to languages")
            elif field == "texts":
                yield from _text_problems(text, language, notice, its_kind, where, document)
            else:
                yield from _withdrawal_problems(text, notice, where, document)


def _fact_problems(its_kind: Kind, notice: Notice, here: FieldPath, document: Document) -> Iterator[Diagnostic]:
    here = (*here, "facts")
    needed = dict(its_kind.facts)
    for group in its_kind.groups.values():
        if not notice.facts.keys().isdisjoint(group.facts):
            needed |= group.facts
    for fact, what in needed.items():
        if fact not in notice.facts:
            yield document.problem(here, f"{fact} is missing: {what}", f"add {fact}")
    if not notice.texts:
        for fact in notice.facts:
            if fact not in its_kind.known_facts():
                yield document.problem((*here, fact), "is said nowhere in the text", near(fact, its_kind.known_facts()))


def _text_problems(
    text: str, language: str, notice: Notice, its_kind: Kind | None, where: FieldPath, document: Document
) -> Iterator[Diagnostic]:
    letter = _marked(notice)
    try:
        rendered = render(text, letter)
        corrected = render(text, _marked(notice, corrects="⟦corrects⟧"))
        by_person = render(text, _marked(notice, automated=False))
    except NoticeTemplateError as error:
        yield document.problem(where, str(error), f"facts are {', '.join(notice.facts)}" if notice.facts else "")
        return
    if any(reason not in rendered for reason in letter.principal_reasons):
        yield document.problem(where, "does not say every principal reason", _LOOP)
    if letter.action_taken not in rendered:
        yield document.problem(where, "does not say what was decided", "write {{ action_taken }}")
    if letter.reference not in rendered:
        yield document.problem(where, "does not say its reference", "write {{ reference }}")
    if "⟦corrects⟧" not in corrected:
        yield document.problem(
            where,
            "does not say which earlier notice it corrects",
            "write {% if corrects %}This replaces our notice {{ corrects }}.{% endif %}",
        )
    for fact, mark in letter.facts.items():
        if mark not in rendered:
            yield document.problem(where, f"does not say {fact}", f"write {{{{ facts.{fact} }}}}")
    phrase = insufficient(rendered)
    if phrase is not None:
        yield _insufficient(phrase, where, document)
    if its_kind is None:
        return
    if its_kind.tells_automation and by_person == rendered:
        yield document.problem(
            where, "does not say whether a person decided", "write {% if automated %}…{% else %}…{% endif %}"
        )
    duties = list(its_kind.must_say)
    for group in its_kind.groups.values():
        if not notice.facts.keys().isdisjoint(group.facts):
            duties += group.must_say
    yield from _unsaid(duties, rendered, language, where, document)


def _unsaid(
    duties: Sequence[Duty], rendered: str, language: str, where: FieldPath, document: Document
) -> Iterator[Diagnostic]:
    plain = normalised(rendered)
    for duty in duties:
        for phrase in duty.phrases.get(language, ()):
            if normalised(phrase) not in plain:
                yield document.problem(where, f"does not say {phrase!r} ({duty.source})", "take the built-in words")


def _withdrawal_problems(text: str, notice: Notice, where: FieldPath, document: Document) -> Iterator[Diagnostic]:
    try:
        rendered = render(text, _marked(notice, corrects="⟦corrects⟧"))
    except NoticeTemplateError as error:
        yield document.problem(where, str(error))
        return
    if "⟦corrects⟧" not in rendered:
        yield document.problem(where, "does not say which notice no longer holds", "write {{ corrects }}")


def _marked(notice: Notice, *, automated: bool = True, corrects: str = "") -> Letter:
    return Letter(
        reference="⟦reference⟧",
        date="⟦date⟧",
        action_taken="⟦action taken⟧",
        principal_reasons=tuple(f"⟦reason {number}⟧" for number in range(1, notice.max_reasons + 1)),
        automated=automated,
        facts={fact: f"⟦{fact}⟧" for fact in notice.facts},
        corrects=corrects,
    )


def _words_problems(notice: Notice, here: FieldPath, document: Document) -> Iterator[Diagnostic]:
    """Words that are missing in a language, and reasons that are none."""
    sections: dict[str, Mapping[str, Mapping[str, str]]] = {
        "action_taken": notice.action_taken,
        "facts": {name: words for name, words in notice.facts.items() if FROM_ATTRIBUTE not in words},
        "principal_reasons": notice.principal_reasons,
    }
    for section, entries in sections.items():
        for name, words in entries.items():
            where = (*here, section, name)
            for language in notice.languages:
                if said(words, language) is None:
                    yield document.problem(where, f"has no words in {language}", f"write {{{language}: …}}")
            if section != "facts" and len(notice.languages) > 1 and set(words) == {"text"}:
                yield document.problem(
                    where, "is one sentence for several languages", f"write {{{notice.languages[0]}: …, …}}"
                )
            for language in words:
                if language != "text" and language not in notice.languages:
                    yield document.problem(
                        (*where, language), f"{language} is not among the languages", "add it to languages"
                    )
            if section != "facts":
                for sentence in words.values():
                    phrase = insufficient(sentence)
                    if phrase is not None:
                        yield _insufficient(phrase, where, document)
    for index, group in enumerate(notice.groups):
        for fact in group:
            if fact not in notice.facts:
                yield document.problem((*here, "groups", index), f"there is no fact {fact}", near(fact, notice.facts))
    for name, words in notice.facts.items():
        if FROM_ATTRIBUTE in words and len(words) > 1:
            yield document.problem((*here, "facts", name), "has words and an attribute", "write one of them")


def _insufficient(phrase: str, where: FieldPath, document: Document) -> Diagnostic:
    return document.problem(
        where,
        f"{phrase!r} is no specific reason (12 CFR 1002.9(b)(2))",
        "say which facts about the person or the case counted",
    )


def _reason_problems(
    name: str,
    notice: Notice,
    domains: Mapping[str, Domain],
    packs: Sequence[Pack],
    here: FieldPath,
    document: Document,
) -> Iterator[Diagnostic]:
    for code in notice.own_words:
        if code in notice.principal_reasons:
            yield document.problem((*here, "own_words"), f"{code} has a sentence as well", "remove one of them")
    # The closest sentence is not the reason: a code without one of its own must say that the reviewer writes it.
    told = {AGREE, OTHER, *notice.principal_reasons, *notice.own_words}
    for domain_name, domain in domains.items():
        if all(lane.notice != name for lane in domain.lanes.values()):
            continue
        for code in reason_codes(domain, packs):
            if code not in told:
                yield document.problem(
                    (*here, "principal_reasons"),
                    f"the reason code {code} of domain {domain_name} has no sentence",
                    f"write one, or add {code} to own_words where the reviewer's own text is the reason",
                )


def _outcome_problems(
    name: str, notice: Notice, domains: Mapping[str, Domain], here: FieldPath, document: Document
) -> Iterator[Diagnostic]:
    """Every outcome that has this notice says what it means; none that has not is told of."""
    owing = {outcome for domain in domains.values() for outcome, lane in domain.lanes.items() if lane.notice == name}
    for outcome in sorted(owing - notice.action_taken.keys()):
        yield document.problem(
            (*here, "action_taken"), f"does not say what {outcome} means for the subject", f"write {outcome}: …"
        )
    if owing:
        for outcome in notice.action_taken.keys() - owing:
            yield document.problem(
                (*here, "action_taken", outcome), "no lane of this outcome gives the notice", near(outcome, owing)
            )
