#!/bin/sh
# Run the numeric tests on an emulated 64-bit ARM: Debian's Python for arm64 and qemu, unpacked into
# a folder (nothing is installed), and the aarch64 wheels. Wants Debian's apt, pip, and an hour.
#
# usage: [QEMU_CPU=max] tools/test_aarch64.sh FOLDER [PYTEST ARGUMENTS]
#
# The CPU is a Neoverse N1, as of many servers. "max" has all that qemu knows, SME too: on its way
# into OpenBLAS's kernels for that all floating-point flags are set, as the architecture has it, and
# NumPy warns of a division by zero that there was not; the tests take warnings for errors.
set -eu
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
version=3.11 # Debian 12's

if [ ! -e "$folder/ready" ]; then
  mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" "$folder/debs"
  (
    cd "$folder/debs"
    set -- -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
      -o Dir::State::lists="$folder/lists" -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=
    apt-get "$@" update -q
    apt-get "$@" download python$version python$version-minimal libpython$version-minimal \
      libpython$version-stdlib libc6 libgcc-s1 libstdc++6 libexpat1 zlib1g libssl3 libffi8 \
      libbz2-1.0 liblzma5 libsqlite3-0 libuuid1 libcrypt1
    for package in *.deb; do dpkg-deb -x "$package" "$folder/root"; done
    rm -- *.deb
    apt-get download qemu-user-static
    dpkg-deb -x qemu-user-static*.deb "$folder/qemu"
  )
  python3 -m pip install --quiet --target "$folder/site" --python-version $version \
    --platform manylinux_2_28_aarch64 --platform manylinux2014_aarch64 --only-binary=:all: \
    numpy safetensors huggingface_hub click tqdm threadpoolctl filelock regex pytest hypothesis \
    tokenizers
  # Tests that start another Python start it in the emulator too.
  cat > "$folder/python" <<END
#!/bin/sh
export PYTHONPATH="\$PYTHONPATH:$folder/site"
exec "$folder/qemu/usr/bin/qemu-aarch64-static" -L "$folder/root" \
  "$folder/root/usr/bin/python$version" "\$@"
END
  chmod +x "$folder/python"
  touch "$folder/ready"
fi

[ $# -gt 0 ] || set -- tests/reference tests/engine tests/test_bert.py tests/test_embedder.py
exec env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1 \
  QEMU_CPU="${QEMU_CPU:-neoverse-n1}" PYTHONPATH="$PWD" "$folder/python" -c \
  "import sys, pytest; sys.executable = sys.argv[1]; sys.exit(pytest.main(sys.argv[2:]))" \
  "$folder/python" -q -p no:cacheprovider "$@"
