"""Every number that the console shows, as a named question with its SQL and the rows behind it."""

from interlock.sinks.questions.asking import (
    QUESTIONS,
    Answer,
    BadParameterError,
    UnknownQuestionError,
    ask,
    find,
    read,
)
from interlock.sinks.questions.model import Parameter, Question, Value

__all__ = [
    "QUESTIONS",
    "Answer",
    "BadParameterError",
    "Parameter",
    "Question",
    "UnknownQuestionError",
    "Value",
    "ask",
    "find",
    "read",
]
