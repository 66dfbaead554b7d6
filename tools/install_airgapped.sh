#!/bin/sh
# Carry gtenp to a machine without a network: a folder of wheels and a model, then an install from
# it where there is no route to anywhere (a network namespace of its own, which wants Linux).
#
# usage: tools/install_airgapped.sh MODEL FOLDER
set -eu
model=$1
mkdir -p "$2"
folder=$(cd "$2" && pwd)
python=${PYTHON:-python3}
root=$(cd "$(dirname "$0")/.." && pwd)

echo "with a network:"
"$python" -m pip wheel --quiet --wheel-dir "$folder/wheels" "$root"
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  --no-index --find-links "$folder/wheels" gtenp
"$folder/venv/bin/gtenp" pull "$model" --to "$folder/model" > /dev/null
du -sh "$folder/wheels" "$folder/model"

echo "without:"
unshare --map-root-user --net env -i PATH="$PATH" HOME=/nonexistent python="$python" folder="$folder" \
  sh -euc '
    if "$python" -c "import socket; socket.create_connection((\"192.0.2.1\", 80), 1)" 2> /dev/null
    then echo "there is a route after all"; exit 1; fi
    "$python" -m venv --clear "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
      --no-index --find-links "$folder/wheels" gtenp
    "$folder/venv/bin/gtenp" similarity --model "$folder/model" \
      "what is the capital of China?" "Beijing" "sorting algorithms"
  '
