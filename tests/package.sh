#!/usr/bin/env bash
# Install the wheel of a folder into empty environments and run it there, far from the source:
#   bash tests/package.sh DIST ENVIRONMENT PYTHON
# With PYTHON, and with the newest Python of this machine where that is another one.
set -euo pipefail
dist=$(cd "$1" && pwd)
environment=$2
python=$3
tests=$(cd "$(dirname "$0")" && pwd)

# What the sdist must hold besides the source: who unpacks it can run the tests and read the pages.
listing=$(tar -tzf "$dist"/*.tar.gz)
for path in README.md CHANGELOG.md LICENSE pyproject.toml src/temperance/rows/digits.npz tests/conftest.py conftest.py; do
  grep -q "/$path\$" <<<"$listing" || { echo "the sdist lacks $path" >&2; exit 1; }
done

try_with() {
  local home=$2
  "$1" -m venv --clear "$home"
  home=$(cd "$home" && pwd)
  "$home/bin/python" -m pip install --quiet "$dist"/*.whl
  local folder
  folder=$(mktemp -d)
  (
    cd "$folder"
    unset PYTHONPATH
    "$home/bin/python" --version
    "$home/bin/temperance" --version
    "$home/bin/temperance" --help >/dev/null
    "$home/bin/temperance" doctor >/dev/null
    time "$home/bin/temperance" demo
    test -s calibrator.json && test -s report.html
    "$home/bin/python" -m pip install --quiet "pytest>=8.2" "hypothesis>=6.100" "ml_dtypes>=0.4"
    # tests of the core, against what is installed; they lie where no source is beside them
    cp -r "$tests" tests
    cp "$tests/../pyproject.toml" "$tests/../conftest.py" .
    "$home/bin/python" -m pytest -q -p no:cacheprovider -m "not slow" \
      tests/calibrators/test_temperature.py tests/metrics/test_measures_reference.py \
      tests/rows/test_digits.py tests/cli/test_cli.py tests/cli/test_start.py
    "$home/bin/python" -c 'import temperance; assert "site-packages" in temperance.__file__'
  )
  rm -rf "$folder"
}

try_with "$python" "$environment"
for newest in python3.15 python3.14 python3.13 python3.12; do
  if command -v "$newest" >/dev/null; then
    try_with "$newest" "$environment-$newest"
    break
  fi
done
