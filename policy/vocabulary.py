"""The enumerations of a policy, from least to most human where there is an order."""

from enum import IntEnum, StrEnum


class Route(IntEnum):
    """Where a decision goes; a greater route is a more human one."""

    AUTO = 0
    ASYNC = 1
    SYNC = 2
    MANUAL = 3

    @property
    def label(self) -> str:
        """As policies and records spell it."""
        return self.name.lower()


class Workflow(StrEnum):
    """How machine and person share the decisions of a domain."""

    ESCALATION = "escalation"
    PRE_APPROVAL = "pre_approval"
    POST_APPROVAL = "post_approval"
    HYBRID = "hybrid"


class Priority(StrEnum):
    """How urgent a task is."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class ColumnType(StrEnum):
    """Type of a column that a rule may use."""

    STRING = "string"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"


NUMBERS = (ColumnType.INT, ColumnType.FLOAT)

# What every rule may use, besides the declared attributes. `confidence` is the calibrated one, the number that
# lanes compare; `raw_confidence` is the model's own.
ROUTING_COLUMNS = {
    "decision_id": ColumnType.STRING,
    "domain": ColumnType.STRING,
    "model_id": ColumnType.STRING,
    "model_version": ColumnType.STRING,
    "prediction": ColumnType.STRING,
    "confidence": ColumnType.FLOAT,
    "raw_confidence": ColumnType.FLOAT,
    "impact": ColumnType.STRING,
    "amount": ColumnType.FLOAT,
    "novel": ColumnType.BOOL,
    "compliance_review": ColumnType.BOOL,
    "jurisdiction": ColumnType.STRING,
    "subject_id": ColumnType.STRING,
}
