"""Reviewed decisions by what they have in common: how sure the model was, who decided, why."""

from interlock.sinks.questions.cases import CASE_COLUMNS, CASES, LATEST
from interlock.sinks.questions.model import LIMIT, Question, matches, names, of_view, share, text, wilson

_DOMAIN = text("domain", "Only this domain.")

_SLICES, _SLICES_COLUMNS = of_view(
    "overrides_by_slice",
    "domain slice value reviewed_decisions overrides override_rate lower upper",
    where=matches("domain", "slice"),
    order="domain, slice, override_rate DESC, value",
)
_BAND = wilson("confirmed", "reviewed_decisions")
_OF_BAND = """outcomes.reviewed AND domain = {domain:String} AND model_id = {model_id:String}
    AND outcomes.prediction = {prediction:String}"""
_BAND_PARAMETERS = (
    text("domain", "The domain.", None),
    text("model_id", "The model.", None),
    text("prediction", "What it proposed.", None),
)
_EDGES = (share("low", "Confidence from here on."), share("high", "Up to here; 1 itself belongs to the band below it."))
_IN_BAND = "confidence >= {low:Float64} AND (confidence < {high:Float64} OR ({high:Float64} = 1 AND confidence = 1))"

QUESTIONS = (
    Question(
        "confidence_bands",
        "What a confidence has meant",
        "Reviewed decisions for which the model had proposed this, by tenths of the calibrated confidence; they do not "
        "speak for those that nobody reviewed",
        f"""SELECT
    least(floor(confidence * 10), 9) / 10 AS low, (least(floor(confidence * 10), 9) + 1) / 10 AS high,
    count() AS reviewed_decisions, countIf(NOT overridden) AS confirmed, confirmed / reviewed_decisions AS share,
    {_BAND[0]} AS lower, {_BAND[1]} AS upper
FROM outcomes
WHERE {_OF_BAND}
    AND confidence >= 0 AND confidence <= 1
GROUP BY low, high
ORDER BY low
LIMIT 10""",
        names("low high reviewed_decisions confirmed share lower upper"),
        _BAND_PARAMETERS,
        "confidence_band_cases",
    ),
    Question(
        "confidence_band",
        "What a confidence in this band has meant",
        "Reviewed decisions for which the model had proposed this with such a calibrated confidence; they do not speak "
        "for those that nobody reviewed",
        f"""SELECT
    count() AS reviewed_decisions, countIf(NOT overridden) AS confirmed,
    if(reviewed_decisions = 0, NULL, confirmed / reviewed_decisions) AS share, {_BAND[0]} AS lower, {_BAND[1]} AS upper
FROM outcomes
WHERE {_OF_BAND}
    AND {_IN_BAND}""",
        names("reviewed_decisions confirmed share lower upper"),
        (*_BAND_PARAMETERS, *_EDGES),
        "confidence_band_cases",
    ),
    Question(
        "confidence_band_cases",
        "Reviewed decisions of a band of confidence",
        "Reviewed decisions for which the model had proposed this with such a confidence, but for those that are "
        "open now",
        f"{CASES} AND {_OF_BAND.removeprefix('outcomes.reviewed AND ')}\n    AND {_IN_BAND}\n{LATEST}",
        CASE_COLUMNS,
        (*_BAND_PARAMETERS, *_EDGES, LIMIT),
    ),
    Question(
        "slices",
        "Where people disagree with the models",
        "Reviewed decisions of each slice, with 95 % intervals; of many slices some stand out by chance",
        _SLICES,
        _SLICES_COLUMNS,
        (_DOMAIN, text("slice", "Only this way of slicing.")),
        "slice_cases",
    ),
    Question(
        "slice_cases",
        "Reviewed decisions of a slice",
        "Reviewed decisions of the slice, but for those that are open now",
        f"""{CASES} AND {matches("domain")}
    -- As in view overrides_by_slice.
    AND has(
        [
            ('all', ''), ('model', concat(model_id, ' ', model_version)), ('prediction', toString(outcomes.prediction)),
            ('reason_code', toString(reason_code)), ('queue', toString(queue)), ('route', toString(route)),
            ('priority', toString(priority)), ('workflow', toString(workflow)),
            (
                'confidence',
                if(confidence >= 0 AND confidence <= 1, toString(least(floor(confidence * 10), 9) / 10), 'none')
            )
        ],
        ({{slice:String}}, {{value:String}})
    )
{LATEST}""",
        CASE_COLUMNS,
        (_DOMAIN, text("slice", "The way of slicing.", None), text("value", "Its value.", None), LIMIT),
    ),
)
