#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing to build, convert and test, on Debian 12 or Ubuntu 24.04 (the package names are the same):
# system packages with apt, as root or with sudo, and a Python environment in build/venv.
#   scripts/setup.sh           installs; does nothing, quickly, when nothing is missing
#   scripts/setup.sh --check   lists what is missing; exit 1 if something is
#   scripts/setup.sh --tidy    the same with what `cmake --preset tidy` needs (clang-tidy)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/steps.sh

packages=(
  g++ cmake ninja-build ccache pkg-config                      # build
  make                                                         # emitted projects, by plain cmake
  libfmt-dev libpcre2-dev libutf8proc-dev                      # library
  graphviz                                                     # openinfer graph --svg, --html
  libcli11-dev nlohmann-json3-dev                              # command
  glslang-dev spirv-tools libvulkan-dev                        # emitted shaders: compiled, checked, run
  catch2 libxxhash-dev mesa-vulkan-drivers vulkan-validationlayers glslang-tools  # tests
  g++-aarch64-linux-gnu qemu-user-static                       # tests: kernels for Arm
  clang libclang-rt-dev lld                                    # tests: the build under sanitizers, and fuzz targets
  python3-venv ca-certificates                                 # conversion, in build/venv
)

usage() {
  sed -n '5,7s/^#   //p' "${BASH_SOURCE[0]}"
}

check=false
for argument in "$@"; do
  case "$argument" in
    --check) check=true ;;
    --tidy) packages+=(clang-tidy) ;;
    --help | -h) usage; exit 0 ;;
    *) echo "setup.sh: unknown argument $argument" >&2; usage >&2; exit 2 ;;
  esac
done

say() { echo "setup: $*" >&2; }
die() { say "error: $*"; exit 1; }

installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    installed "$package" || echo "$package"
  done
}

# The environment is whole if pip finished with these requirements, and its interpreter still finds them.
venv_ready() {
  local modules
  modules=$(sed -n 's/==.*//p' scripts/requirements.txt | tr - _ | paste -sd ,)
  cmp -s scripts/requirements.txt build/venv/requirements.txt && build/venv/bin/python -c "import $modules" 2>/dev/null
}

install_packages() {
  local as_root=()
  if [[ $(id -u) != 0 ]]; then
    command -v sudo >/dev/null || die "not root and no sudo; as root: apt-get install $*"
    as_root=(sudo)
  fi
  about="seconds" timed "setup: asking apt for its lists" "${as_root[@]}" apt-get update -qq >&2
  about="up to some minutes, by your network" timed "setup: installing $*" \
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

make_venv() {
  mkdir -p build
  # The interpreter of the distribution: another one in PATH may come without venv.
  local python=/usr/bin/python3
  [[ -x $python ]] || python=python3
  about="some ten seconds" timed "setup: making build/venv, a Python environment" "$python" -m venv --clear build/venv >&2 ||
    die "$python cannot make a virtual environment (python3-venv)"
  about="some 25 MB to download, up to a minute" timed "setup: installing $(grep -v '^#' scripts/requirements.txt | paste -sd ' ') into build/venv" \
    build/venv/bin/python -m pip install --quiet --disable-pip-version-check -r scripts/requirements.txt >&2 ||
    die "pip could not install scripts/requirements.txt into build/venv"
  cp scripts/requirements.txt build/venv/requirements.txt
}

if command -v dpkg-query >/dev/null; then
  mapfile -t missing < <(missing_packages)
else
  die "this system has no apt; install what these Debian packages hold: ${packages[*]}"
fi

if $check; then
  for package in "${missing[@]}"; do echo "$package"; done
  venv_ready || echo "build/venv"
  [[ ${#missing[@]} == 0 ]] && venv_ready || exit 1
  exit 0
fi

[[ ${#missing[@]} == 0 ]] || install_packages "${missing[@]}"
venv_ready || make_venv
say "everything is there"
