#!/bin/sh
# Runs tests on another Python than .venv's, in an environment of its own, without torch: what depends on the
# interpreter needs none. `make test-python PYTHON=python3.13` calls this.
#
#     tools/test_python.sh PYTHON SECONDS [ARGUMENTS OF PYTEST]
#
# Tests that take longer than SECONDS are ended and have failed; 0 sets no limit. Where PYTHON is absent, or its
# packages can't be had, it says so and ends with status 0.
set -eu
cd "$(dirname "$0")/.."

python=$1
seconds=$2
shift 2
version=$("$python" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || {
    echo "skipped: $python can't be run here"
    exit 0
}
venv=.venv-$version
if [ ! -e "$venv/.installed" ] || [ -n "$(find pyproject.toml constraints.txt -newer "$venv/.installed")" ]; then
    echo "Installing rltf-harness and pytest into $venv, for Python $version"
    pip="$venv/bin/python -m pip install --disable-pip-version-check -qq --constraint constraints.txt"
    # The build tool first, pinned: with build isolation pip would fetch its newest version.
    { "$python" -m venv "$venv" && $pip setuptools hypothesis pytest &&
        $pip --no-build-isolation --editable .; } || {
        echo "skipped: the packages for Python $version could not be installed"
        exit 0
    }
    touch "$venv/.installed"
fi
[ $# -gt 0 ] || set -- tests/runner tests/benchmarks
echo "Python $version"
exec timeout --signal=INT --kill-after=20 "$seconds" "$venv/bin/python" -m pytest -p no:cacheprovider "$@"
