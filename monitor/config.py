"""Settings: one YAML file, overridden by the environment, validated once at the start.

In: `plumbline.yaml` (or the file in `PLUMBLINE_CONFIG`) and variables such as
`PLUMBLINE_KAFKA__BOOTSTRAP_SERVERS`. Out: a frozen `Settings`. Never: a network call.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from monitor.errors import ConfigError
from schemas.values import HashKey

DEFAULT_FILES = (Path("plumbline.yaml"), Path(".plumbline/stack/settings.yaml"))
"""Read in this order: your settings, else those of the local stack started from this folder."""
ENV_PREFIX = "PLUMBLINE_"
ENV_DELIMITER = "__"


Days = Annotated[int, Field(ge=1, le=36_500)]
UserToken = Annotated[SecretStr, Field(min_length=16)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class TopicSettings(_Section):
    """Names of the topics."""

    predictions: str = "plumbline.predictions"
    labels: str = "plumbline.labels"
    models: str = "plumbline.models"
    commands: str = "plumbline.commands"
    alerts: str = "plumbline.alerts"
    alerts_state: str = "plumbline.alerts.state"
    rejections: str = "plumbline.rejections"
    state: str = "plumbline.state"


class KafkaSettings(_Section):
    """Where the broker is and how to speak to it."""

    bootstrap_servers: str = "127.0.0.1:9092"
    """`host:port`, several separated by commas."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_cafile: Path | None = None
    ssl_certfile: Path | None = None
    ssl_keyfile: Path | None = None
    ssl_keypassword: SecretStr | None = None
    ssl_check_hostname: bool = True
    """Whether a broker's certificate must name the host that was connected to."""
    group_id: str = "plumbline"
    partitions: Annotated[int, Field(ge=1, le=4096)] = 8
    """Partitions of predictions, labels, commands and state, which must agree."""
    replication_factor: Annotated[int, Field(ge=1, le=7)] = 1
    topics: TopicSettings = TopicSettings()

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Self:
        if self.security_protocol.startswith("SASL") and not (
            self.sasl_mechanism and self.sasl_username and self.sasl_password
        ):
            raise ValueError(
                f"security_protocol {self.security_protocol} needs sasl_mechanism, "
                "sasl_username and sasl_password"
            )
        return self


class ClickHouseSettings(_Section):
    """Where ClickHouse is; the writer's account and the reader's."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8123
    username: str = "default"
    password: SecretStr = SecretStr("")
    reader_username: str = ""
    """Account for reading pages and audits; empty: the writer's."""
    reader_password: SecretStr = SecretStr("")
    database: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$")] = "plumbline"
    secure: bool = False
    """HTTPS instead of HTTP."""
    ca_cert: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    verify: bool = True
    """Whether the server's certificate must be trusted and name the host."""


class WorkerSettings(_Section):
    """How a worker takes work and commits it."""

    slot: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] = "worker-0"
    """Name of this worker's slot: group instance id and transactional id; unique in the group."""
    commit_interval_ms: Annotated[int, Field(ge=50, le=60_000)] = 1_000
    commit_events: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    snapshot_interval_ms: Annotated[int, Field(ge=50, le=3_600_000)] = 30_000
    """How often the state is written; after a crash the events since then are taken again."""
    poll_records: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    tick_interval_ms: Annotated[int, Field(ge=50, le=60_000)] = 1_000
    duplicate_memory: Annotated[int, Field(ge=0, le=1_000_000)] = 100_000
    """Last event ids of a model among which a resend is recognised."""
    session_timeout_ms: Annotated[int, Field(ge=6_000, le=1_800_000)] = 45_000
    """How long a worker's partitions wait for its restart before they move to another."""
    max_poll_interval_ms: Annotated[int, Field(ge=1_000, le=3_600_000)] = 300_000
    """How long a worker may take for one batch before it is removed from the group."""
    heartbeat_interval_s: Annotated[int, Field(ge=1, le=3_600)] = 60
    """How often a worker says of each of its partitions that it works on it."""
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=0, le=65_535)] = 0
    """Port of /healthz, /readyz and /metrics; 0: none. With `--workers`, slot i has port + i."""


class SensitivitySettings(_Section):
    """How sensitive values are masked; which ones are, the model cards say."""

    hash_key: Annotated[SecretStr, Field(min_length=16)] | None = None
    """Key of the hashes: a long random text, the same wherever events or references are read."""

    def key(self) -> HashKey | None:
        """The key, if one is set."""
        return None if self.hash_key is None else HashKey(self.hash_key.get_secret_value())


class RetentionSettings(_Section):
    """Days that rows are kept, per table; none: for ever. Cards and profiles always are."""

    predictions_days: Days | None = None
    labels_days: Days | None = None
    rejections_days: Days | None = None
    pane_summaries_days: Days | None = None
    findings_days: Days | None = None
    alerts_days: Days | None = None

    def by_table(self) -> dict[str, int | None]:
        """Table to its days.

        >>> RetentionSettings(labels_days=30).by_table()["labels"]
        30
        """
        return {name.removesuffix("_days"): getattr(self, name) for name in type(self).model_fields}


class LimitSettings(_Section):
    """What a message may cost."""

    record_bytes: Annotated[int, Field(ge=1_024, le=16_777_216)] = 1_000_000
    string_chars: Annotated[int, Field(ge=16, le=65_536)] = 512
    """Longest string value of a feature."""
    future_tolerance_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """An event time later than its sending by more than this is a fault (`from_future`)."""
    models: Annotated[int, Field(ge=1)] = 20_000
    metric_series: Annotated[int, Field(ge=10, le=1_000_000)] = 2_000
    """Label sets that /metrics shows of each kind by model; the others are counted."""
    unregistered_models: Annotated[int, Field(ge=1)] = 1_000


class RoutingSettings(_Section):
    """How alerts reach people (`plumbline route`)."""

    alertmanager_url: Annotated[str, Field(pattern=r"^https?://[^\s/]+")] = "http://127.0.0.1:9093"
    """Alertmanager's address; its API v2 is spoken to."""
    resend_interval_s: Annotated[int, Field(ge=1, le=3_600)] = 60
    """How often everything that is on is told again; Alertmanager forgets what is not."""
    runbooks_url: str = "docs/runbooks"
    """Where the runbooks are served, for the link in each alert."""
    dead_mans_switch_url: Annotated[str, Field(pattern=r"^(https?://[^\s/]+.*)?$")] = ""
    """Webhook that must hear the heartbeat every few minutes and calls people when it does not."""


class EscalationSettings(_Section):
    """What becomes of models and alerts that nobody looks after."""

    contact: str = ""
    """Who is told where no card says whom: an e-mail address, a webhook's URL, a Slack channel."""
    critical_minutes: Annotated[float, Field(gt=0)] = 60.0
    """A critical alert may wait so long for its acknowledgement."""
    warning_minutes: Annotated[float, Field(gt=0)] = 1_440.0
    """The same for a warning."""
    owner_missing_minutes: Annotated[float, Field(ge=0)] = 60.0
    """A model may be without an owner for so long."""


class LogSettings(_Section):
    """How the commands that run for long log to standard error."""

    format: Literal["text", "json"] = "text"
    """`json`: one object a line, with the trace id of the batch or commit."""


class DashboardSettings(_Section):
    """The web pages (`plumbline dashboard`)."""

    host: str = "127.0.0.1"
    """Interface to listen on; on any but loopback, reading needs a sign-in, too."""
    port: Annotated[int, Field(ge=0, le=65_535)] = 8118
    """0: any free one."""
    url: Annotated[str, Field(pattern=r"^(https?://[^\s/]+)?$")] = ""
    """Address that people use, where it is another than the above: behind a proxy."""
    users: dict[Annotated[str, Field(min_length=1, max_length=200)], UserToken] = {}
    """Name to the token that signs them in; without any, nobody can act by a token."""
    session_key: UserToken | None = None
    """Key of the sessions' signatures; none: a new one at each start, which ends all sessions."""
    session_hours: Annotated[float, Field(gt=0, le=720)] = 12.0
    proxy_user_header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")] = ""
    """Header in which an OIDC proxy names the user who signed in there; empty: none is believed."""
    proxy_addresses: tuple[IPvAnyNetwork, ...] = ()
    """From which addresses that header is believed."""
    requests_per_minute: Annotated[int, Field(ge=10, le=1_000_000)] = 600
    """Of one address; what is more is refused (429)."""

    @property
    def address(self) -> str:
        """What links to pages begin with.

        >>> DashboardSettings().address
        'http://127.0.0.1:8118'
        """
        return self.url or (f"http://{self.host}:{self.port}" if self.port else "")


class Settings(BaseSettings):
    """Everything that can be set."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        extra="forbid",
        frozen=True,
    )

    kafka: KafkaSettings = KafkaSettings()
    clickhouse: ClickHouseSettings = ClickHouseSettings()
    worker: WorkerSettings = WorkerSettings()
    limits: LimitSettings = LimitSettings()
    sensitivity: SensitivitySettings = SensitivitySettings()
    retention: RetentionSettings = RetentionSettings()
    routing: RoutingSettings = RoutingSettings()
    escalation: EscalationSettings = EscalationSettings()
    dashboard: DashboardSettings = DashboardSettings()
    logs: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment first, then what the file gave (passed as arguments)."""
        del dotenv_settings, file_secret_settings, env_settings
        return (EnvSettingsSource(settings_cls), init_settings)


def load_settings(file: Path | None = None) -> Settings:
    """Read the settings; `file` overrides `PLUMBLINE_CONFIG`, which overrides DEFAULT_FILES.

    Raises ConfigError naming key, value and fix.
    """
    variable = os.environ.get("PLUMBLINE_CONFIG")
    named = file or (Path(variable) if variable else None)
    if named is not None and not named.exists():
        raise ConfigError(f"settings file {named} does not exist: create it or name another one")
    _refuse_unknown_sections()
    path = named or next((known for known in DEFAULT_FILES if known.exists()), DEFAULT_FILES[0])
    values = _read_yaml(path) if path.exists() else {}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigError(_explain(error, path)) from None


def _refuse_unknown_sections() -> None:
    """A misspelt section in a variable would be ignored in silence, and the default taken."""
    for variable in sorted(os.environ):
        if not variable.startswith(ENV_PREFIX) or ENV_DELIMITER not in variable:
            continue
        section = variable.removeprefix(ENV_PREFIX).partition(ENV_DELIMITER)[0].lower()
        if section not in Settings.model_fields:
            raise ConfigError(
                f"variable {variable} names no setting: there is no section {section!r}, but "
                f"{', '.join(Settings.model_fields)}; correct or unset it"
            )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"settings file {path} cannot be read: {error}") from None
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise ConfigError(
            f"settings file {path} holds a {type(loaded).__name__}: it must map sections "
            f"({', '.join(Settings.model_fields)})"
        )
    return loaded


def _is_secret(location: tuple[int | str, ...]) -> bool:
    """Whether the setting at this place holds a secret; an unknown one may be one misspelt."""
    model: type[BaseModel] = Settings
    for name in location:
        field = model.model_fields.get(str(name))
        if field is None:
            return True
        if "SecretStr" in str(field.annotation):
            return True
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            model = field.annotation
        else:
            return False
    return False


def _explain(error: ValidationError, path: Path) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        key = ".".join(str(part) for part in problem["loc"])
        variable = ENV_PREFIX + key.replace(".", ENV_DELIMITER).upper()
        # The input of a whole section may hold a password.
        secret = _is_secret(problem["loc"]) or isinstance(problem.get("input"), dict | list)
        value = "***" if secret else repr(problem.get("input"))
        if problem["type"] == "extra_forbidden":
            fix = f"remove it or correct its name in {path} or {variable}"
        else:
            fix = f"set it in {path} or by {variable}"
        lines.append(f"setting {key} = {value}: {problem['msg']}; {fix}")
    return "\n".join(lines)
