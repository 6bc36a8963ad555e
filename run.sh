#!/usr/bin/env bash
# The entry point of Lumbung: finds Python and Java, sets up what is missing, passes all other verbs to scripts/cli.py.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
venv="$here/.venv"
# What an emptied environment lacks behind a proxy: pip, uv and the fetcher of jars each read a variable of their own.
certificates=" (behind a proxy: HTTPS_PROXY; if it has a certificate of its own: PIP_CERT, SSL_CERT_FILE and REQUESTS_CA_BUNDLE, all three the path of a PEM file)"
locks=("$here/bootstrap.lock" "$here/requirements.lock" "$here/conf/jars/spark/jgo.lock.toml" "$here/conf/jars/kafka/jgo.lock.toml")

say() { printf '%s\n' "$*" >&2; }
missing() { say "lumbung: $1"; say "  remedy: $2"; exit 3; }

find_python() {
    local candidate
    for candidate in python3.11 python3.12 python3.13 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    missing "no Python 3.11 or newer on the PATH" "Debian/Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.11; or https://www.python.org"
}

java_major() { "$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1; }

find_java() { # sets JAVA_HOME and PATH to a Java that Spark runs on
    local candidate home
    for candidate in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" /usr/lib/jvm/*17*/bin/java /usr/lib/jvm/*21*/bin/java \
        /opt/homebrew/opt/openjdk@{17,21}/bin/java /Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java; do
        [ -x "$candidate" ] || continue
        case "$(java_major "$candidate")" in
            17 | 21)
                home=$("$candidate" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.home = //p')
                export JAVA_HOME="$home" PATH="$home/bin:$PATH"
                return
                ;;
        esac
    done
    return 1
}

need_java() {
    find_java || missing "no Java 17 or 21 found (Spark 4 runs on neither older nor newer ones)" \
        "Debian/Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk@17; or point JAVA_HOME at one"
}

fingerprint() { cat "${locks[@]}" "$here/run.sh" | (sha256sum 2>/dev/null || shasum -a 256) | cut -d ' ' -f 1; }

interrupted() { say "set-up was interrupted; the same command goes on with the step that it was at"; exit 130; }

quietly() { # output only of a failure, none of an interruption
    local output
    output=$("$@" 2>&1) || { say "$output"; return 1; }
}

is_writable() { mkdir -p "$1" 2>/dev/null && [ -w "$1" ]; }

set_up() {
    local want home="${LUMBUNG_HOME:-$here/var}"
    trap interrupted INT
    want=$(fingerprint)
    if [ "$(cat "$venv/.lumbung-setup" 2>/dev/null)" != "$want" ]; then
        local python
        if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            python=$(find_python)
            say "[1/5] virtual environment with $python"
            quietly "$python" -m venv --clear "$venv" ||
                missing "$python cannot make a virtual environment" "Debian/Ubuntu: apt install python3-venv python3.11-venv"
        else
            say "[1/5] virtual environment: exists"
        fi
        if [ "$(cat "$venv/.uv/.lock" 2>/dev/null)" != "$(cat "$here/bootstrap.lock")" ]; then
            say "[2/5] installer uv"
            quietly "$venv/bin/python" -m ensurepip
            quietly "$venv/bin/python" -m pip install --quiet --upgrade --require-hashes --target "$venv/.uv" -r "$here/bootstrap.lock" ||
                missing "uv could not be installed from the package index" "check the network$certificates, then run ./run.sh setup again"
            cp "$here/bootstrap.lock" "$venv/.uv/.lock"
        else
            say "[2/5] installer uv: exists"
        fi
        is_writable "${UV_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/uv}" || export UV_CACHE_DIR="$venv/.uv/cache"
        say "[3/5] $(grep -c '^[a-z].*==' "$here/requirements.lock") Python packages by checksum (about 900 MB when nothing is cached)"
        "$venv/.uv/bin/uv" pip sync --quiet --python "$venv/bin/python" --require-hashes "$here/requirements.lock" >&2 ||
            missing "Python packages could not be installed" "check disk and network$certificates, then run ./run.sh setup again"
        (cd "$here" && "$venv/bin/python" -m scripts.stack.jars)
        printf '%s\n' "$want" >"$venv/.lumbung-setup"
    fi
    (cd "$here" && "$venv/bin/python" scripts/stack/web_page.py) || true # it names the remedy; all else works without the page
    grep -qs '^JWT_SECRET=' "$home/secrets.env" || (cd "$here" && "$venv/bin/python" -m scripts.stack.secrets_file)
    trap - INT
}

case "${LUMBUNG_HOME:-/}" in /*) ;; *) export LUMBUNG_HOME="$PWD/$LUMBUNG_HOME" ;; esac
verb="${1:-}"
case "$verb" in
    setup)
        case "${2:-}" in "") ;; *) say "usage: ./run.sh setup   installs packages, fetches the jars, builds the web page, writes secrets; can be repeated"; [ "$2" = --help ] && exit 0 || exit 2 ;; esac
        need_java
        rm -f "$venv/.lumbung-setup" # every step is checked again: it is the remedy for what was damaged
        set_up
        say "set-up is complete; next: ./run.sh demo"
        exit 0
        ;;
    status | query | prices | alerts | devices | logs | down | reconcile | ledger | quarantine | train | backtest | collect | mlflow | docs | web | user | certs) # no Java, and fast
        [ -x "$venv/bin/python" ] || missing "not set up yet" "./run.sh setup"
        ;;
    doctor) # a missing Java is one of its findings
        [ -x "$venv/bin/python" ] || missing "not set up yet" "./run.sh setup"
        find_java || true
        ;;
    -h | --help | help)
        [ -x "$venv/bin/python" ] || { say "usage: ./run.sh setup | demo | test | up | down | …   (./run.sh setup first, then --help lists all)"; exit 0; }
        set -- --help
        ;;
    --version)
        [ -x "$venv/bin/python" ] || missing "not set up yet" "./run.sh setup"
        ;;
    "" | up | demo | test | replay | replay-quarantine | simulate | rebuild | compact | chaos | bench | lock)
        need_java
        set_up
        [ -n "$verb" ] || set -- up
        ;;
    *)
        say "lumbung: unknown verb '$verb'; ./run.sh --help lists them"
        exit 2
        ;;
esac
# Without bytecode files every process compiles pandas, scikit-learn and Spark's Python again: 6 s of CPU instead of 2.5 s
# to import the API. Container images often switch them off.
unset PYTHONDONTWRITEBYTECODE
export LUMBUNG_CALLED_FROM="$PWD" # paths in arguments are relative to the caller's folder
cd "$here"
exec "$venv/bin/python" -m scripts.cli "$@"
