#!/usr/bin/env bash
# All that is to be known of a GPU, in under eight minutes:
#
#     bash tests/bench/gpu.sh OUT [WHEELS]        # on the machine with the GPU, from the root of the repository
#     bash tests/bench/gpu.sh --wheels WHEELS     # before, where there is a package index: fetch what may be missing,
#                                                 # or of it the packages that are named after WHEELS
#     bash tests/bench/gpu.sh --dry-run OUT       # on any machine: the same calls on the CPU, small, with more time
#
# Every part has its time; one that fails says so in OUT/log.txt and the others go on. Called again with the same OUT it
# goes on with the parts that are not done. Results: OUT/*.jsonl as they come, OUT/table.md at the end. PYTHON names
# the interpreter (default: python3). Packages that it lacks are taken from WHEELS into a folder of their own; nothing
# of the machine is changed, and torch is never replaced. LIMIT: seconds for all of it.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
PYTHON=${PYTHON:-python3}
# all of the lock but torch, which is the machine's, and what only Snakemake, pages and style need
LEFT_OUT="torch|triton|setuptools|(nvidia|cuda)-.*|snake.*|argparse-dataclass|axe.*|black|conda.*|connection-pool|git.*
  |greenlet|jsonschema.*|jupyter.*|nbformat|.*oauthlib|playwright|pulp|referencing|rpds-py|ruff|shfmt.*|smmap|sql.*
  |throttler|yte|zxing-cpp"
NEEDED="sam2 $(grep -o '^[a-z0-9-]*==' envs/lock.txt | tr -d = | sort -u | grep -vxE "$(tr -d ' \n' <<< "$LEFT_OUT")")"
BUILT="sam2|antlr4-python3-runtime|iopath" # these have no wheels; sam2's is built against the torch here

if [ "${1:-}" = --wheels ]; then
  folder=${2:?where to put the wheels}
  mkdir -p "$folder"
  names=$(printf '%s\n' ${*:3})
  names=${names:-$(printf '%s\n' $NEEDED)}
  # of the versions that go together; hashes would ask for those of all
  grep -v -e --hash envs/lock.txt | sed 's/ *\\$//' > "$folder/constraints.txt"
  export PIP_CONSTRAINT=$folder/constraints.txt
  # torchvision belongs to the torch that is there
  "$PYTHON" -m pip download -q --no-deps --only-binary=:all: --python-version "${PYTHON_VERSION:-3.12}" \
    -d "$folder" $(grep -vxE "torchvision|$BUILT" <<< "$names") || exit 1
  SAM2_BUILD_CUDA=0 "$PYTHON" -m pip wheel -q --no-deps --no-build-isolation -w "$folder" $(grep -xE "$BUILT" <<< "$names")
  exit
fi

DEVICE=cuda DRY=
if [ "${1:-}" = --dry-run ]; then DEVICE=cpu DRY=--dry-run; shift; fi
OUT=${1:?where to put the results}
WHEELS=${2:-}
mkdir -p "$OUT"
OUT=$(cd "$OUT" && pwd)
exec > >(tee -a "$OUT/log.txt") 2>&1
export OMP_WAIT_POLICY=passive SAM2PAL_GPU=$DEVICE PYTHONPATH=scripts:tests/bench PYTHONDONTWRITEBYTECODE=1

missing=$("$PYTHON" - $NEEDED << 'END'
import sys
from importlib.metadata import distributions

there = {found.name.lower().replace("_", "-") for found in distributions()}
print(*(name for name in sys.argv[1:] if name not in there))
END
)
[ -z "$missing" ] || echo "missing: $missing"
shopt -s nullglob
wheels=$(for name in $missing; do [ "$name" = torchvision ] || echo "${WHEELS:-/none}/${name//-/_}"-[0-9]*.whl; done)
if [ -n "$wheels" ]; then
  packages=$(mktemp -d)
  "$PYTHON" -m pip install -q --no-compile --no-index --no-deps --target "$packages" $wheels || echo "FAILED: $WHEELS"
  export PYTHONPATH=$PYTHONPATH:$packages
fi

# whatever happens, the table is of all that was measured; and all ends in time
LIMIT=${LIMIT:-465}
[ -z "$DRY" ] || LIMIT=$((20 * LIMIT)) # on a CPU, and a busy one perhaps
finish() {
  "$PYTHON" tests/bench/gpu_table.py "$OUT"
  echo "== all in $SECONDS s: $OUT/table.md"
}
trap finish EXIT
trap 'exit 1' INT TERM

part() { # seconds, name, command
  local seconds=$1 name=$2 began=$SECONDS mark=$OUT/$2.done left=$((LIMIT - SECONDS))
  [ ! -e "$mark" ] || { echo "== $name was done before"; return; }
  [ -z "$DRY" ] || seconds=$((20 * seconds))
  [ "$seconds" -le "$left" ] || seconds=$left
  if [ "$seconds" -lt 5 ]; then echo "FAILED: no time is left for $name: call again with the same OUT"; return; fi
  shift 2
  echo "== $name (at most $seconds s)"
  timeout -k 5 "$seconds" "$@"
  local code=$?
  if [ $code -eq 0 ]; then touch "$mark"; else
    echo "FAILED: $name (status $code, 124 is out of time); the others go on"
  fi
  echo "-- $name: $((SECONDS - began)) s"
}
bench() { # seconds, parts
  local seconds=$1
  shift
  part "$seconds" "${1}" "$PYTHON" tests/bench/gpu.py "$@" --output "$OUT" --device "$DEVICE" $DRY
}

bench 40 machine copies
part 100 tests "$PYTHON" -m pytest -q -p no:cacheprovider tests/gpu
bench 90 train fits
bench 80 segmentation
bench 50 busy
bench 30 pretrain
bench "$LIMIT" compiled # what is left
