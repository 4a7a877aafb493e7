# Shared by ./dev and the scripts beside this file, which source it from the root of the repository.

BUILD_PACKAGES=(g++ cmake ninja-build pkg-config nlohmann-json3-dev libfmt-dev libcli11-dev libzstd-dev libgtest-dev
  libgmock-dev libboost-context-dev python3)
TEST_PACKAGES=(clang-14 libclang-rt-14-dev python3-numpy)
LINT_PACKAGES=(clang-format clang-tidy)

JOBS=${WEFT_JOBS:-$(nproc)}

# Debian's Python has the packages that are installed here; another one that comes first on the PATH may not.
PYTHON=/usr/bin/python3
[[ -x $PYTHON ]] || PYTHON=python3

if command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CMAKE_CUDA_COMPILER_LAUNCHER=ccache
  export CCACHE_SLOPPINESS=pch_defines,time_macros  # or nothing with a precompiled header is kept
fi

say() { printf '== %s\n' "$*"; }
die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# Installs those of the named Debian packages that are missing. Does nothing, and needs no network, when none is.
need() {
  local missing=() package root=()
  if ! command -v dpkg-query >/dev/null; then
    say "This is not a Debian system: make sure that these are installed: $*"
    return
  fi
  for package in "$@"; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  say "Installing ${#missing[@]} missing packages: ${missing[*]}"
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "No sudo here. As root, run: apt-get install ${missing[*]}"
    root=(sudo)
    # Without a terminal, sudo could only wait for a password that nobody types.
    [[ -t 0 ]] || root+=(-n)
  fi
  root+=(env DEBIAN_FRONTEND=noninteractive)
  "${root[@]}" apt-get -q update </dev/null || say "The package lists could not be updated; going on with the old ones."
  "${root[@]}" apt-get -q install -y --no-install-recommends "${missing[@]}" </dev/null ||
    die "The packages could not be installed. As root, run: apt-get install ${missing[*]}"
}

# Configures build/PRESET, afresh when it belongs to another copy of the sources.
configure() {
  local preset=$1 cache=build/$1/CMakeCache.txt log=build/$1-configure.log
  shift
  if [[ -f $cache ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$PWD" "$cache"; then rm -rf "build/$preset"; fi
  mkdir -p build
  cmake --preset "$preset" "$@" >"$log" 2>&1 || {
    cat "$log" >&2
    die "The build could not be configured; CMake's output is above."
  }
}
