"""Settings: environment variables named INTERLOCK_…, nested with two underscores.

If an address is not set, the local instance that `interlock up` started in the data directory is used; so the same
commands work against a laptop's instance and against any Kafka and ClickHouse.
"""

import socket
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from interlock.learning.answered import MIN_ANSWERED
from interlock.platform.secrets import AuditKey, Password, SessionKey, SigningKey
from interlock.schemas import catalogue


class KafkaSettings(BaseModel):
    """How to reach Kafka."""

    bootstrap_servers: str | None = Field(None, description="host:port, several separated by commas")
    properties: dict[str, str] = Field(
        default_factory=dict, description="librdkafka properties, for example security.protocol; they win over ours"
    )
    user: str = Field("", description="the property sasl.username, where the password comes from a secret store")
    password: Password = Field(SecretStr(""), description="the property sasl.password")
    group_protocol: Literal["consumer", "classic"] = Field(
        "consumer", description="consumer (KIP-848, brokers from 4.0 on) or classic"
    )

    @property
    def credentials(self) -> dict[str, str]:
        """User and password as librdkafka properties."""
        return {"sasl.username": self.user, "sasl.password": self.password.get_secret_value()} if self.user else {}

    @model_validator(mode="after")
    def _logs_in_one_way(self) -> Self:
        if bool(self.user) != bool(self.password.get_secret_value()):
            raise ValueError("INTERLOCK_KAFKA__USER and INTERLOCK_KAFKA__PASSWORD belong together: set both or neither")
        if not self.user:
            return self
        if twice := self.credentials.keys() & self.properties.keys():
            raise ValueError(
                f"INTERLOCK_KAFKA__PROPERTIES names {' and '.join(sorted(twice))} as well: take it out, or leave "
                "INTERLOCK_KAFKA__USER and INTERLOCK_KAFKA__PASSWORD unset"
            )
        # Without these librdkafka would ignore the password, or look for a Kerberos ticket.
        says_how = bool(self.properties.keys() & {"sasl.mechanism", "sasl.mechanisms"})
        if not says_how or not self.properties.get("security.protocol", "").lower().startswith("sasl_"):
            raise ValueError(
                "INTERLOCK_KAFKA__USER needs security.protocol and sasl.mechanism in INTERLOCK_KAFKA__PROPERTIES, as "
                'in {"security.protocol": "SASL_SSL", "sasl.mechanism": "SCRAM-SHA-512"}'
            )
        return self


class ClickHouseSettings(BaseModel):
    """How to reach ClickHouse over HTTP."""

    url: str | None = Field(None, description="http://host:port")
    user: str = "interlock"
    password: Password = SecretStr("")
    analyst_user: str = "analyst"
    analyst_password: Password = SecretStr("")
    database: str = "default"
    cluster: str | None = Field(
        None, pattern=r"^[\w.{}-]+$", description="create replicated tables on this cluster of one shard"
    )
    retention_days: int | None = Field(
        None, ge=1, description="keep rows for so many days, at least as long as the packs of policies demand"
    )
    durable: bool = Field(False, description="rows are on the disk, not only in its cache, when they are acknowledged")


class EncryptionSettings(BaseModel):
    """The keys of subjects: see docs/erasure.md."""

    kafka: bool = Field(False, description="producers of this project encrypt personal fields before they enter Kafka")
    kafka_attributes: list[str] = Field(
        default_factory=list, description="names of the attributes that are encrypted too; rules cannot read them"
    )
    seal: bool | None = Field(
        None, description="the sink stores personal data under keys of its subjects; unset: if it has a master key"
    )
    key_store: Path | None = Field(None, description="file with the wrapped keys; unset: keys/keys.sqlite in data_dir")
    master_key: SecretStr | None = Field(None, description="secret of 64 hex digits that wraps the key store")
    master_key_file: Path | None = Field(None, description="file that has it")
    master_key_provider: str | None = Field(
        None, description="MODULE:FUNCTION that returns a client of a key-management service, instead"
    )
    next_master_key: SecretStr | None = Field(
        None, description="the one that `interlock audit rotate-keys` puts in its place"
    )
    next_master_key_file: Path | None = Field(None, description="file that has it")


class RegistrySettings(BaseModel):
    """A schema registry whose ids producers write into `decisions`; without one only Interlock's own ids are known."""

    url: str | None = Field(None, description="http://host:port of a registry that speaks Confluent's API")
    user: str = Field("", description="for basic authentication")
    password: SecretStr = SecretStr("")
    token: SecretStr = Field(SecretStr(""), description="a bearer token, instead of user and password")
    logical_cluster: str = Field("", description="lsrc-…, which Confluent Cloud wants beside a token")
    ca_file: Path | None = Field(None, description="certificates that the registry's own must be signed with")
    certificate_file: Path | None = Field(None, description="client certificate (mutual TLS)")
    key_file: Path | None = Field(None, description="its key, if it is not in the same file")
    # An id is looked up once; as long as that takes, the router waits.
    timeout_seconds: float = Field(3.0, gt=0, description="of one request")


class RouterSettings(BaseModel):
    """The router."""

    signers: dict[str, SigningKey] = Field(
        default_factory=dict,
        description="JSON, key by name; with any, policies and candidates without their signature have no effect",
    )
    audit_key: AuditKey | None = Field(None, description="secret of 32 hex digits; keys the audit coin")
    max_bad_share: float = Field(0.5, gt=0, le=1, description="stop when more of the latest messages are bad")
    max_batch: int = Field(10_000, gt=0)
    remembered_ids: int = Field(500_000, ge=1_000, description="a repetition of these latest decisions is recognised")
    # Under load batches fill by themselves; on a quiet system this is the longest wait of a decision.
    max_wait_seconds: float = Field(0.010, gt=0)


class SamplerSettings(BaseModel):
    """The sampler of active learning."""

    # An hour's share of a budget is enough to choose from; an audit may still roll back within its day.
    round_seconds: float = Field(3600.0, gt=0, description="from one round of picks to the next")


class SinkSettings(BaseModel):
    """The ClickHouse sink."""

    # ClickHouse works best with few large inserts; a second is not noticed at a dashboard.
    flush_seconds: float = Field(1.0, gt=0)


class TrailSettings(BaseModel):
    """The audit trail: who signs the ends of its chains, and how often."""

    signing_key: SigningKey | None = Field(None, description="secret of 64 hex digits: an Ed25519 key; signs anchors")
    signing_key_file: Path | None = Field(None, description="the same in a file, or as PEM (PKCS 8)")
    signer: str | None = Field(
        None, pattern=r"^[\w.]+:\w+$", description="MODULE:FUNCTION that returns a signer, for a key management system"
    )
    public_key_file: Path | None = Field(None, description="the key that verifiers trust: hex digits or PEM")
    # What is inserted between two anchors could be replaced unnoticed: a minute is short for that.
    anchor_seconds: float = Field(60.0, gt=0, description="from one anchor to the next, while rows come")
    anchor_directory: Path | None = Field(None, description="anchors are written there as well, to be copied off site")


class WebhookSettings(BaseModel):
    """The executor that posts what takes effect to another system."""

    url: str | None = Field(None, description="where executions are posted")
    secret: Password | None = Field(None, description="base64, with or without whsec_; signs every webhook")
    previous_secret: Password | None = Field(None, description="signs as well while the secret is replaced")
    group: str = Field(catalogue.WEBHOOKS_GROUP, description="consumer group; one for each receiver")
    attempts: int = Field(15, gt=0, description="then it becomes a dead letter")
    timeout_seconds: float = Field(10.0, gt=0, description="of one attempt")
    concurrency: int = Field(8, gt=0, description="webhooks under way at the same time, of different decisions")


class AlertSettings(BaseModel):
    """Alerts to people."""

    urls: list[SecretStr] = Field(default_factory=list, description="the operators' channels, as apprise URLs")
    # Mail, and services with addresses of their own: whoever writes the roster must not make the notifier send what
    # they like to any host that it can reach, as json:// or xml:// would.
    contact_schemes: list[str] = Field(
        ["mailto", "mailtos", "slack", "msteams", "gchat", "discord", "tgram", "pagerduty", "opsgenie", "pover"],
        description="kinds of apprise URLs that the contact of a reviewer may be",
    )
    group: str = catalogue.NOTIFIER_GROUP
    digest_seconds: float = Field(
        300.0, ge=0, description="what comes to a channel within that time goes in one message; 0: each alert by itself"
    )
    quiet_seconds: float = Field(
        4 * 86_400.0,
        ge=0,
        description="how long what is not urgent waits at most for the working hours of the person; 0: not at all",
    )


class FeedbackSettings(BaseModel):
    """Training examples and requests for retraining."""

    group: str = catalogue.FEEDBACK_GROUP
    every: int = Field(100, gt=0, description="outcomes of a model version between two analyses")
    renew: int = Field(500, gt=0, description="outcomes after which retraining is asked for again")
    window: int = Field(20_000, gt=0, description="latest outcomes of a model version in which errors are looked for")
    longest_wait_days: float = Field(3, gt=0, description="how long a verdict waits at most for earlier ones")
    min_answered: float = Field(
        MIN_ANSWERED,
        ge=0,
        le=1,
        description="share of each way that must be answered before a request",
    )
    min_support: int = Field(11, gt=0, description="reviewed decisions that a slice has at least")
    level: float = Field(0.05, gt=0, lt=1, description="share of false slices, over all looks together")
    alpha: float = Field(
        0.05, gt=0, lt=1, description="risk of ever requesting retraining where all decisions keep to the limit"
    )
    run_length: float = Field(
        36_500_000,
        ge=1,
        description="outcomes, on average, until a rise above the limit is told falsely: 100 years of 1,000 a day",
    )


class CalibrationSettings(BaseModel):
    """Calibration, drift and proposals."""

    group: str = Field(catalogue.CALIBRATION_GROUP_PREFIX, description="prefix of the names of its consumer groups")
    every: int = Field(50, gt=0, description="outcomes of a model version between two calibration reports")
    window: int = Field(
        2_000, ge=100, description="latest outcomes of a model version that a recalibration is fitted to"
    )
    gap: float = Field(0.1, ge=0.01, lt=1, description="between confidence and accuracy of a bucket: worth a warning")
    # With 500 a gap of .1 is certain at any confidence.
    gap_window: int = Field(
        500, ge=50, description="latest verdicts of each bucket and way to a person that warnings see"
    )
    alpha: float = Field(0.05, gt=0, lt=1, description="share of wrong decisions that a certificate allows")
    # At the default a rise of errors to twice the promise is found as quickly as ever; docs/learning.md has the table.
    false_alarms_per_year: float = Field(
        2.0,
        gt=0,
        le=100,
        description="false halts of a certificate with 1,000 reviews a day whose error is exactly what was promised",
    )
    delta: float = Field(0.10, gt=0, lt=0.5, description="risk that a certificate allows more than that")
    gold_is_typical: bool = Field(
        False, description="gold items are as hard as other decisions: right answers that people change count too"
    )
    longest_wait_days: float = Field(3, gt=0, description="how long a verdict waits at most for earlier ones")
    min_answered: float = Field(
        MIN_ANSWERED,
        ge=0,
        le=1,
        description="share of each way that must be answered before a proposal",
    )
    propose_every: int = Field(100, gt=0, description="examples of a lane between two searches for proposals")
    # Smaller shifts are real in long streams, and harmless; .005 is what 16,384 decisions can tell from noise.
    min_shift: float = Field(0.01, ge=0.005, lt=1, description="least shift of mean confidence that is told")
    # Faust takes some thousands a second.
    every_decision: int = Field(1, gt=0, description="only every n-th decision is watched for drift")


class OidcSettings(BaseModel):
    """The OpenID provider that people log in at."""

    issuer: str = Field(pattern="^https?://", description="its address, as its discovery document names it")
    client_id: str = Field(min_length=1)
    client_secret: SecretStr = Field(SecretStr(""), description="empty: a public client")
    scopes: str = "openid profile email"
    person_claim: str = Field("sub", description="claim with the id of the person, as the roster has it")
    name_claim: str = Field("name", description="claim with the name of the person")
    roles_claim: str = Field("roles", description="claim with the roles; a.b: claim b inside of a")
    role_map: dict[str, str] = Field(
        default_factory=dict, description="value of the claim -> role; empty: the values are the names of roles"
    )


class ApiSettings(BaseModel):
    """The HTTP API and the console."""

    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 in containers")
    port: int = Field(8080, ge=0, le=65535, description="0: any free one")
    url: str | None = Field(None, pattern="^https?://", description="its address as browsers see it, behind a proxy")
    session_key: SessionKey | None = Field(None, description="secret of 64 hex digits; signs sessions")
    demo_login: bool | None = Field(
        None, description="log in as anybody, from this machine only; unset: on the local instance without oidc"
    )
    oidc: OidcSettings | None = None
    # A person at the console causes a few a second; a program that needs more sends batches.
    requests_per_second: float = Field(50.0, gt=0, description="of one token or person, in the long run")
    burst: int = Field(200, gt=0, description="of one token or person, at once")
    four_eyes: bool = Field(True, description="a policy is published once a second person accepts it")


class SignerSettings(BaseModel):
    """A gateway whose signature the desk knows."""

    key: SigningKey = Field(description="secret of 64 hex digits, the same as that of the gateway")
    speaks_for: Literal["people", "callers"] = Field("people", description="callers: it may only expire")


class DeskSettings(BaseModel):
    """The desk."""

    signers: dict[str, SignerSettings] = Field(
        default_factory=dict, description="JSON, by name; with any, commands without their signature are refused"
    )
    decided_days: float = Field(
        30, gt=0, le=3650, description="days for which a decided task can be overridden or appealed at the desk itself"
    )


class SigningSettings(BaseModel):
    """Signs the commands of this process, and the policies that it publishes."""

    name: str = Field("console", pattern="^[A-Za-z0-9._-]{1,64}$", description="under which the desk knows the key")
    key: SigningKey | None = Field(None, description="secret of 64 hex digits; without it nothing is signed")


class WatchSettings(BaseModel):
    """The watch."""

    # Longer than a trial of two weeks with a weekend behind it.
    trial_days: float = Field(
        21, gt=0, description="days without a command after which a trial of a policy counts as forgotten"
    )


class Settings(BaseSettings):
    """All settings."""

    model_config = SettingsConfigDict(env_prefix="INTERLOCK_", env_nested_delimiter="__", extra="forbid")

    data_dir: Path = Path(".interlock")
    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    encryption: EncryptionSettings = EncryptionSettings()
    registry: RegistrySettings = RegistrySettings()
    router: RouterSettings = RouterSettings()
    desk: DeskSettings = DeskSettings()
    signing: SigningSettings = SigningSettings()
    watch: WatchSettings = WatchSettings()
    sampler: SamplerSettings = SamplerSettings()
    sink: SinkSettings = SinkSettings()
    trail: TrailSettings = TrailSettings()
    webhooks: WebhookSettings = WebhookSettings()
    alerts: AlertSettings = AlertSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    calibration: CalibrationSettings = CalibrationSettings()
    api: ApiSettings = ApiSettings()
    override_limit: float = Field(
        0.15, gt=0, lt=1, description="override rate of all decisions that is allowed, where no policy says another one"
    )
    metrics_port: int = Field(0, description="Prometheus metrics of a role; 0: none")
    metrics_host: str = Field("127.0.0.1", description="address on which metrics are served; 0.0.0.0 in containers")
    # A container, a pod and a machine have a name of their own, which a restart keeps.
    instance_id: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        description="distinguishes several processes of one role; keep it across restarts; unset: the name of the host",
    )
    without: list[str] = Field(default_factory=list, description="roles that `interlock up` does not start")
    log_format: Literal["console", "json"] = "console"
