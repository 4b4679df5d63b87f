#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# usage: tests/install/install_test.sh BUILD_DIR
#
# Installs the build into an empty folder, moves it, and builds a program against it twice: with find_package(Strop) and
# with pkg-config. The program runs without any help to find libraries. Then the example plugin and the one of the tests, against the
# installed headers alone, and programs that use the example.
set -euo pipefail
tests=$(dirname "$(dirname "$(readlink -f "$0")")")
consumer=$tests/install/consumer
build=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$build" --prefix "$work/first" >"$work/install.log"
mv "$work/first" "$work/prefix"

cmake -S "$consumer" -B "$work/cmake" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/cmake" >"$work/build.log" || { cat "$work/build.log"; exit 1; }
"$work/cmake/from_c"
"$work/cmake/from_cpp"

pkgconfig=$(find "$work/prefix" -name strop.pc -printf '%h')
read -ra flags <<<"$(PKG_CONFIG_PATH=$pkgconfig pkg-config --cflags --libs strop)"
libdir=$(PKG_CONFIG_PATH=$pkgconfig pkg-config --variable=libdir strop)
cc -o "$work/by_pkg_config" "$consumer/main.c" "${flags[@]}" "-Wl,-rpath,$libdir"
"$work/by_pkg_config"

mkdir "$work/headers"
cp -r "$work/prefix/include" "$work/headers"
cmake -S "$tests/../examples/plugin_deformable_attention" -B "$work/plugin" -G Ninja -DCMAKE_PREFIX_PATH="$work/headers" >/dev/null
cmake --build "$work/plugin" >"$work/plugin.log" || { cat "$work/plugin.log"; exit 1; }
plugin=$work/plugin/deformable_attention.so
cc -std=c11 -pedantic-errors -shared -fPIC -o "$work/sample.so" -I "$work/headers/include" "$tests/plugin/sample_plugin.c"
for library in "$plugin" "$work/sample.so"; do
  if nm -D --undefined-only "$library" | grep -i strop; then
    echo "install: $(basename "$library") needs a symbol of Strop (above)"
    exit 1
  fi
done
"$build/bin/plugin_model" "$work/model.onnx"
"$work/cmake/build_with_plugin" "$plugin" "$work/model.onnx" "$work/by_builder.strop"
"$work/prefix/bin/strop" build "$work/model.onnx" -o "$work/by_command.strop" --plugin "$plugin" --plugin "$work/sample.so" >/dev/null
for engine in by_builder by_command; do "$work/cmake/with_plugin" "$plugin" "$work/$engine.strop"; done

if grep -rl "$work/first" "$work/prefix" --include='*.cmake' --include='*.pc'; then
  echo "install: the package names the folder it was installed to"
  exit 1
fi
for library in "$libdir"/libstrop_*.so; do
  if nm -D --defined-only "$library" | grep -v ' strop_'; then
    echo "install: $(basename "$library") exports more than C functions of Strop (above)"
    exit 1
  fi
done
size=$(stat -L -c %s "$libdir/libstrop_runtime.so")
echo "libstrop_runtime.so: $size bytes"
[ "$size" -lt 3145728 ] || { echo "install: the runtime library is larger than 3 MB"; exit 1; }
