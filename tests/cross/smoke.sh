#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/cross/smoke.sh mingw|aarch64
#
# Runs a cross-built strop under Wine or QEMU: `strop doctor`, then a small model on the reference backend, whose
# outputs must be those that NumPy computes.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1
work=build/$target/smoke
rm -rf "$work"
mkdir -p "$work"

case $target in
  mingw)
    export WINEPREFIX=$PWD/build/$target/wine WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml='
    wine=$(command -v wine || command -v wine64 || echo /usr/lib/wine/wine64)
    strop=("$wine" build/mingw/bin/strop.exe) ;;
  aarch64)
    strop=(qemu-aarch64 -L /usr/aarch64-linux-gnu build/aarch64/bin/strop) ;;
  *) echo "smoke: unknown target $target" >&2; exit 2 ;;
esac
"${strop[@]}" doctor
.venv/bin/python tests/cross/make_model.py "$work"
"${strop[@]}" run "$work/model.onnx" --device reference --input "x=$work/x.npy" --output "$work/out"
.venv/bin/python tests/cross/make_model.py "$work" --check "$work/out"
