"""Kafka's jars: fetched once per user by Maven, kept in a cache directory.

In: `pom.xml`, which fixes the version. Out: a folder of jars. Never: a half-filled folder (Maven
fills a temporary one, which is then renamed).
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from devstack.errors import StackError

POM = Path(__file__).with_name("pom.xml")
JAVA_MINIMUM = 17
FETCH_TIMEOUT_S = 600


def kafka_version() -> str:
    """The version of Apache Kafka that `pom.xml` names.

    >>> kafka_version().startswith("4.1.")
    True
    """
    found = re.search(r"<kafka\.version>([^<]+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    if found is None:
        raise StackError(f"{POM} names no <kafka.version>")
    return found[1]


def find_java() -> str:
    """The `java` command, Java 17 or newer."""
    java = shutil.which("java")
    if java is None:
        raise StackError(
            f"java is not on PATH: Kafka needs Java {JAVA_MINIMUM} or newer "
            "(Debian and Ubuntu: apt-get install openjdk-17-jre-headless)"
        )
    answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr + answer.stdout)
    if found is None or int(found[1]) < JAVA_MINIMUM:
        version = found[1] if found else "unknown"
        raise StackError(
            f"{java} is Java {version}: Kafka needs Java {JAVA_MINIMUM} or newer "
            "(Debian and Ubuntu: apt-get install openjdk-17-jre-headless)"
        )
    return java


def cache_directory() -> Path:
    """Where fetched parts are kept: PLUMBLINE_CACHE, or the user's cache directory."""
    named = os.environ.get("PLUMBLINE_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "plumbline"


def jars() -> Path:
    """The folder of Kafka's jars; fetched on the first call on this machine."""
    target = cache_directory() / f"kafka-{kafka_version()}"
    if target.is_dir():
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError(
            f"Kafka's jars are not in {target} and mvn is not on PATH to fetch them "
            "(Debian and Ubuntu: apt-get install maven)"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".kafka-") as scratch:
        filled = Path(scratch) / "jars"
        _fetch(maven, filled)
        try:
            filled.rename(target)
        except OSError:
            # Another process was faster; its folder is whole, because it was renamed as well.
            if not target.is_dir():
                raise
    return target


def _fetch(maven: str, directory: Path) -> None:
    # A copy of the pom: Maven must not write beside an installed package.
    with tempfile.TemporaryDirectory() as project:
        shutil.copy(POM, project)
        command = [maven, "-q", "-B", "-ntp", "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={directory}"]
        try:
            answer = subprocess.run(
                command,
                cwd=project,
                capture_output=True,
                text=True,
                timeout=FETCH_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise StackError(
                f"Maven did not fetch Kafka's jars within {FETCH_TIMEOUT_S} s: "
                "check the network or Maven's settings.xml, then try again"
            ) from None
    if answer.returncode != 0 or not any(directory.glob("kafka_*.jar")):
        tail = (answer.stdout + answer.stderr).strip()[-2_000:]
        raise StackError(
            "Maven could not fetch Kafka's jars: check the network or Maven's settings.xml\n" + tail
        )
