# Selects the CUDA emulator for the programs that are started from this shell, and builds it first
# where it is missing or older than its source:
#
#   source cuda/emulator/env.sh          sets PAIRFOLD_CUDA_DRIVER and PAIRFOLD_NVRTC
#   bash cuda/emulator/env.sh --print    prints the two assignments
#
# It works from any folder. What the emulator itself reads is told in README.md beside it.

# The folder of this file, in bash and in zsh.
if [ -n "${BASH_SOURCE:-}" ]; then
  _pairfold_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
else
  _pairfold_folder=$(cd "$(dirname "${(%):-%x}")" && pwd)
fi

_pairfold_missing() {
  echo "pairfold: the CUDA emulator cannot be built: $1" >&2
  return 1
}

_pairfold_has_compiler() {
  [ -n "${CXX:-}" ] && command -v "$CXX" >/dev/null 2>&1 && return 0
  command -v c++ >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 ||
    command -v clang++ >/dev/null 2>&1
}

# Newer sources than the last build, or no build.
_pairfold_is_stale() {
  [ ! -e "$1/build/built" ] ||
    [ -n "$(find "$1/src" "$1/prelude" "$1/CMakeLists.txt" -newer "$1/build/built" | head -1)" ]
}

# In a subshell of its own, so that the caller's options, traps and variables stay as they are.
_pairfold_build() (
  folder=$1
  _pairfold_is_stale "$folder" || exit 0
  command -v cmake >/dev/null 2>&1 || _pairfold_missing "there is no cmake" || exit 1
  _pairfold_has_compiler || _pairfold_missing "there is no C++ compiler" || exit 1
  mkdir -p "$folder/build" || exit 1
  # one process builds; others wait for it and find it done
  if command -v flock >/dev/null 2>&1; then
    exec 9>"$folder/build/lock" && flock 9
    _pairfold_is_stale "$folder" || exit 0
  fi
  # sources that change from now on are newer than this file
  touch "$folder/build/begun" &&
    cmake -S "$folder" -B "$folder/build" >"$folder/build/log" 2>&1 &&
    cmake --build "$folder/build" --parallel 2 >>"$folder/build/log" 2>&1 || {
    cat "$folder/build/log" >&2
    _pairfold_missing "see the compiler's messages above"
    exit 1
  }
  rm -rf "$folder/build/kernels" # compiled with the prelude that was
  mv "$folder/build/begun" "$folder/build/built"
)

_pairfold_library() {
  case $(uname -s) in
    Darwin) echo "$_pairfold_folder/build/lib$1.dylib" ;;
    *) echo "$_pairfold_folder/build/lib$1.so" ;;
  esac
}

_pairfold_select() {
  _pairfold_build "$_pairfold_folder" || return 1
  PAIRFOLD_CUDA_DRIVER=$(_pairfold_library cuda_emulator)
  PAIRFOLD_NVRTC=$(_pairfold_library nvrtc_emulator)
  export PAIRFOLD_CUDA_DRIVER PAIRFOLD_NVRTC
}

_pairfold_status=0
_pairfold_select || _pairfold_status=1
if [ "$_pairfold_status" = 0 ] && [ "${1:-}" = "--print" ]; then
  echo "PAIRFOLD_CUDA_DRIVER=$PAIRFOLD_CUDA_DRIVER"
  echo "PAIRFOLD_NVRTC=$PAIRFOLD_NVRTC"
fi
unset -f _pairfold_missing _pairfold_has_compiler _pairfold_is_stale _pairfold_build \
  _pairfold_library _pairfold_select
unset _pairfold_folder
# sourced, this returns; run, it exits
if [ "$_pairfold_status" = 0 ]; then
  unset _pairfold_status
  return 0 2>/dev/null || exit 0
fi
unset _pairfold_status
return 1 2>/dev/null || exit 1
