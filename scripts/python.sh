#!/usr/bin/env bash
# Installs Python 3.11 where no Python 3.11 or newer is found, with the package manager of the system.
set -euo pipefail
for candidate in python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        printf '%s is here: %s\n' "$("$candidate" --version)" "$(command -v "$candidate")"
        exit 0
    fi
done
if [ "$(id -u)" -eq 0 ]; then as_root=(); else as_root=(sudo); fi
if command -v apt-get >/dev/null; then
    "${as_root[@]}" apt-get update
    "${as_root[@]}" apt-get install -y python3.11 python3.11-venv
elif command -v dnf >/dev/null; then
    "${as_root[@]}" dnf install -y python3.11
elif command -v brew >/dev/null; then
    brew install python@3.11
else
    printf 'no apt-get, dnf or brew here: install Python 3.11 from https://www.python.org\n' >&2
    exit 3
fi
