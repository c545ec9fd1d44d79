"""How sure every alarm is that halts a model: one level for all, told as false alarms a year."""

from dataclasses import dataclass

# What a year is taken to hold: a thousand reviews a day of what one certificate covers. With fewer there are fewer
# false alarms in proportion.
REVIEWS_PER_YEAR = 365 * 1_000

# In the worst case, an error that lies exactly at what was promised. With this a rise to twice the promise is found as
# quickly as by an e-CUSUM of level 1e-4; docs/learning.md has the delays and false alarms of others.
FALSE_ALARMS_PER_YEAR = 2.0

# Of ever alarming on the whole past of a certificate that holds. Cheap, because that alarm matters soon after signing.
_EVER = 0.01


@dataclass(frozen=True, slots=True)
class AlarmLevel:
    """`ever`: probability of ever a false alarm by the e-process. `quick`: false alarms per review of the e-SR."""

    ever: float
    quick: float


def alarm_level(false_alarms_per_year: float = FALSE_ALARMS_PER_YEAR) -> AlarmLevel:
    """The levels of the two monitors of a certificate."""
    return AlarmLevel(_EVER, false_alarms_per_year / REVIEWS_PER_YEAR)
