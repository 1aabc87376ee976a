#!/usr/bin/env bash
# What a graphics card does for scrcl, on a machine without a network.
#
#   benchmarks/gpu.sh collect WHEELS   where there is a network: fetch what such a machine lacks (Python 3.12, Linux)
#   benchmarks/gpu.sh run WHEELS OUT   there: OUT/gpu.csv and OUT/gpu.log, after 8 minutes at most
#
# The machine has Python 3.12, torch, NumPy, SciPy, pandas, scikit-learn, h5py and numba. Options of
# benchmarks/gpu.py may follow: a rehearsal without a card is
#
#   benchmarks/gpu.sh run WHEELS OUT --device cpu --sizes 300 --n-genes 500
set -euo pipefail
cd "$(dirname "$0")/.."
limit=480
there='torch|numpy|scipy|pandas|scikit-learn|h5py|numba|llvmlite'
# What these bring along, and what scanpy imports for other work only.
there+='|filelock|fsspec|joblib|mpmath|networkx|python-dateutil|pytz|setuptools|six|sympy|threadpoolctl|tzdata'
there+='|patsy|statsmodels'
# Such a machine has pandas 3, with which only these write files; the pins are of Python 3.11.
newer='anndata==0.13.4 scanpy==1.12.4 scverse-misc==0.1.7 fast-array-utils==1.5.1'
newer+=' pydantic==2.14.4 pydantic-core==2.50.5 pydantic-settings==2.16.3 python-dotenv==1.2.4'
newer+=' annotated-types==0.8.0 typing-inspection==0.4.5'
tests='beartype|hypothesis|iniconfig|pluggy|pygments|pytest|pytest-timeout|sortedcontainers'

collect() {
    local names
    names=$(mktemp)
    printf '%s\n' $newer > "$names"
    there+="|$(sed -E 's/==[^ ]*//g; s/ /|/g' <<< "$newer")"
    grep -E '^[a-zA-Z]' requirements.txt | grep -viE "^($there)==" >> "$names"
    grep -iE "^($tests)==" requirements-dev.txt >> "$names"
    python -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 \
        --dest "$1" --requirement "$names"
    rm "$names"
    du -sh "$1"
}

run() {
    local wheels=$1 out=$2 packages
    shift 2
    mkdir -p "$out"
    packages=$(mktemp -d)
    trap 'rm -rf "$packages"' EXIT
    if compgen -G "$wheels/*.whl" > /dev/null; then
        python -m pip install --quiet --no-index --no-deps --target "$packages" "$wheels"/*.whl
    fi
    PYTHONPATH="$PWD:$packages" python benchmarks/gpu.py --out "$out" --limit "$((limit - SECONDS))" "$@"
}

"${1:?collect or run}" "${@:2}"
