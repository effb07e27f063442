#!/bin/sh
# Check for Python 3.11+, Java 17+ and Maven (and, with "test", for the servers that tests speak to);
# name every missing one with its fix.
python=${1:-python3}
purpose=${2:-run}
missing=0
say() { echo "missing: $1" >&2; missing=1; }

if ! command -v "$python" >/dev/null 2>&1; then
    say "Python 3.11 or newer ($python is not on PATH): apt-get install python3 python3-venv, or set PYTHON=/path/to/python"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "Python 3.11 or newer ($python is $("$python" -V 2>&1)): install one and set PYTHON=/path/to/python3.11"
fi
if ! command -v java >/dev/null 2>&1; then
    say "Java 17 or newer (for the local Kafka): apt-get install openjdk-17-jre-headless, or brew install openjdk@17"
else
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ] || say "Java 17 or newer (java is version ${version:-unknown}): apt-get install openjdk-17-jre-headless"
fi
command -v mvn >/dev/null 2>&1 || say "Maven (fetches the local Kafka): apt-get install maven, or brew install maven"
if [ "$purpose" = test ]; then
    command -v prometheus-alertmanager >/dev/null 2>&1 || command -v alertmanager >/dev/null 2>&1 ||
        say "Alertmanager (alerts are routed to a real one): apt-get install prometheus-alertmanager, or brew install alertmanager"
    command -v amtool >/dev/null 2>&1 || say "amtool: it comes with Alertmanager"
    command -v promtool >/dev/null 2>&1 || say "promtool (checks metrics and rules): apt-get install prometheus, or brew install prometheus"
    command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 ||
        say "Chromium (the pages are looked at in it): apt-get install chromium, or brew install chromium"
fi
[ "$missing" -eq 0 ] || { echo "Install what is missing, then run the same command again." >&2; exit 1; }
