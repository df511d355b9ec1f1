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

# Install, and run what a reader of the README runs first; `more` adds tests of the core.
try_with() {
  local home=$2 more=${3:-}
  "$1" -m venv --clear "$home"
  home=$(cd "$home" && pwd)
  "$home/bin/python" -m pip install --quiet "$dist"/*.whl
  local folder
  folder=$(mktemp -d)
  (
    cd "$folder"
    unset PYTHONPATH
    "$home/bin/python" --version
    "$home/bin/python" -c 'import temperance; assert "site-packages" in temperance.__file__'
    "$home/bin/temperance" --version
    "$home/bin/temperance" --help >/dev/null
    "$home/bin/temperance" doctor >/dev/null
    "$home/bin/temperance" demo
    test -s calibrator.json && test -s report.html
    if [ -n "$more" ]; then
      "$home/bin/python" -m pip install --quiet "pytest>=8.2" "hypothesis>=6.100" "ml_dtypes>=0.4"
      # tests of the core, against what is installed; they lie where no source is beside them
      cp -r "$tests" tests
      cp "$tests/../pyproject.toml" "$tests/../conftest.py" .
      "$home/bin/python" -m pytest -q -p no:cacheprovider -m "not slow" \
        tests/calibrators/test_temperature.py tests/metrics/test_measures_reference.py \
        tests/rows/test_digits.py
    fi
  )
  rm -rf "$folder"
}

# The newest Python that starts here: on the path, or one that pyenv keeps.
newest() {
  local minor each
  for minor in 15 14 13 12; do
    for each in "python3.$minor" "$(pyenv prefix "3.$minor" 2>/dev/null || true)/bin/python"; do
      if "$each" -c 'import venv' 2>/dev/null; then
        echo "$each"
        return
      fi
    done
  done
}

try_with "$python" "$environment" with-tests
other=$(newest)
if [ -n "$other" ]; then
  try_with "$other" "$environment-newest"
fi
