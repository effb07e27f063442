"""Two accounts: one that writes, one that only reads.

In: user and password of a request. Out: the account, whose engine role decides what it may do.
The engine enforces the roles (`users_config`); this file writes that configuration and checks
passwords, of which only hashes are kept.
"""

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path

from devstack.clickhouse.errors import AUTHENTICATION_FAILED, EngineError


@dataclass(frozen=True, slots=True)
class Account:
    """Who asks: a user name and the engine role its connections take."""

    user: str
    role: str

    @property
    def read_only(self) -> bool:
        """Whether connections of this account are fixed to reading."""
        return self.role == READER


WRITER = "writer"
READER = "reader"

# Databases, tables, views and rows are the writer's; files, networks, functions and accounts are
# nobody's. READ_ONLY_SYSTEM is what clients and dashboards look up.
WRITER_GRANT = (
    "GRANT SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, "
    "CREATE TEMPORARY TABLE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, SHOW TABLES, SHOW COLUMNS, "
    "SHOW DATABASES, SHOW DICTIONARIES, CHECK, dictGet, SYSTEM MERGES, SYSTEM TTL MERGES, "
    "SYSTEM FLUSH LOGS, SYSTEM VIEWS, SYSTEM DROP CACHE ON *.*"
)
READ_ONLY_SYSTEM = (
    "columns",
    "data_skipping_indices",
    "databases",
    "functions",
    "merges",
    "metrics",
    "mutations",
    "parts",
    "parts_columns",
    "settings",
    "tables",
)
READER_GRANTS = (
    "GRANT SELECT, SHOW TABLES, SHOW COLUMNS, SHOW DATABASES, CHECK ON plumbline.*",
    *(f"GRANT SELECT ON system.{table}" for table in READ_ONLY_SYSTEM),
)

DEFAULT_SETTINGS = {
    # A client that leaves is not noticed before its statement ends: bound it.
    "max_execution_time": "120",
    # Without it, text that is no statement at all is valid SQL.
    "implicit_select": "0",
    "allow_python_table_function": "0",
}

# Settings through which a statement could name a file, a network address, another language, or an
# expression in a string that nothing would look into.
FIXED_SETTINGS = (
    "additional_result_filter",
    "additional_table_filters",
    "ai_function_embedding_default_credentials",
    "ai_function_text_default_credentials",
    "allow_python_table_function",
    "dialect",
    "filter",
    "format_avro_schema_registry_url",
    "format_schema",
    "format_schema_source",
    "format_template_resultset",
    "format_template_row",
    "implicit_select",
    "implicit_table_at_top_level",
    "input_format_record_errors_file_path",
    "order",
    "output_format_schema",
    "parallel_replicas_custom_key",
    "polyglot_dialect",
    "rename_files_after_processing",
    "s3_base",
    "select",
    "sort",
    "url_base",
)


def users_config() -> str:
    """The engine's `users_config`: one user, who has nothing but the two roles."""
    settings = "".join(f"<{name}>{value}</{name}>" for name, value in DEFAULT_SETTINGS.items())
    fixed = "".join(f"<{name}><const/></{name}>" for name in FIXED_SETTINGS)
    roles = ""
    for role, grants in ((WRITER, (WRITER_GRANT,)), (READER, READER_GRANTS)):
        queries = "".join(f"<query>{grant}</query>" for grant in grants)
        roles += f"<{role}><grants>{queries}</grants></{role}>"
    return (
        "<clickhouse>"
        f"<profiles><default>{settings}<constraints>{fixed}</constraints></default></profiles>"
        "<quotas><default/></quotas>"
        f"<roles>{roles}</roles>"
        "<users><default><no_password/><networks><ip>::/0</ip></networks>"
        "<profile>default</profile><quota>default</quota>"
        f"<grants><query>GRANT {WRITER}</query><query>GRANT {READER}</query></grants>"
        "</default></users>"
        "</clickhouse>\n"
    )


def password_hash(password: str) -> str:
    """SHA-256 of a password; the stack's passwords are long and random."""
    return hashlib.sha256(password.encode()).hexdigest()


def accounts_file(writer: tuple[str, str], reader: tuple[str, str]) -> str:
    """The accounts file for two pairs of user and password."""
    accounts = ((WRITER, *writer), (READER, *reader))
    return json.dumps(
        [
            {"role": role, "user": user, "password_sha256": password_hash(password)}
            for role, user, password in accounts
        ]
    )


class Accounts:
    """The accounts of an accounts file."""

    def __init__(self, file: Path) -> None:
        entries = json.loads(file.read_text(encoding="utf-8"))
        self._accounts = {
            entry["user"]: (Account(entry["user"], entry["role"]), entry["password_sha256"])
            for entry in entries
        }

    def authenticate(self, user: str, password: str) -> Account:
        """The account of `user`, if the password is right."""
        account, expected = self._accounts.get(user, (None, password_hash("")))
        right = hmac.compare_digest(password_hash(password), expected)
        if account is None or not right:
            raise EngineError(
                AUTHENTICATION_FAILED,
                "AUTHENTICATION_FAILED",
                f"{user}: Authentication failed: password is incorrect, or there is no user with "
                "such name.",
            )
        return account
