#!/usr/bin/env bash
# clang-format, the rules of the house, clang-tidy. usage: lint.sh [FILE.cpp...]   (clang-tidy on these only)
set -euo pipefail
source tools/common.sh

need "${BUILD_PACKAGES[@]}" "${LINT_PACKAGES[@]}"

files() { find include host cuda tests bench -type f \( "$@" \) -not -path '*/corpus/*' | sort; }

say "lint: clang-format"
files -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh' | xargs clang-format --dry-run --Werror

say "lint: rules of the house"
failed=0
complain() {
  printf 'error: %s\n' "$1" >&2
  sed 's/^/  /' >&2
  failed=1
}
# A release build has no assert, so nothing may depend on one.
found=$(grep -rnE '(^|[^_[:alnum:]])assert\(|<cassert>|<assert\.h>' host include cuda --include='*.[ch]pp' --include='*.cu*' || true)
[[ -z $found ]] || complain "no assert: throw weft::Error for bad input, and static_assert the rest" <<<"$found"
# Long files hide things. One that has to be long says why: a line that holds "long file:" and the reason.
found=$(files -name '*.[ch]pp' -o -name '*.cu' -o -name '*.cuh' | while read -r file; do
  lines=$(wc -l <"$file")
  ((lines <= 600)) || grep -q 'long file:' "$file" || echo "$file: $lines lines"
done)
[[ -z $found ]] || complain "over 600 lines without a line 'long file: <reason>'" <<<"$found"
found=$(git grep -nIwE 'TODO|FIXME|XXX' -- host include cuda tests bench tools demo ':!tools/lint.sh' 2>/dev/null || true)
[[ -z $found ]] || complain "unfinished business" <<<"$found"
((failed == 0)) || exit 1

# Only the sources of the program: with GoogleTest's headers clang-tidy takes longer than all the rest together. A file
# that was clean is skipped until it, a header or a setting changes.
configure release
stamps=build/lint
mkdir -p "$stamps"
newest_header=$(find include host .clang-tidy -type f \( -name '*.hpp' -o -name .clang-tidy \) -printf '%T@ %p\n' |
  sort -n | tail -n 1 | cut -d' ' -f2-)
tidy() {
  local stamp=$2/${1//\//_}.ok
  [[ $stamp -nt $1 && $stamp -nt $3 ]] && return
  # clang-tidy counts the warnings of system headers that it suppressed; nobody wants to know.
  clang-tidy -p build/release --quiet "$1" 2> >(grep -vE '^[0-9]+ warnings? (generated|treated)' >&2) || return 1
  touch "$stamp"
}
export -f tidy
sources=("$@")
((${#sources[@]} > 0)) || mapfile -t sources < <(find host -name '*.cpp' | sort)
say "lint: clang-tidy on ${#sources[@]} files"
printf '%s\n' "${sources[@]}" | xargs -P "$JOBS" -I{} bash -c 'tidy "$@"' _ {} "$stamps" "$newest_header" ||
  die "clang-tidy found something; it is above."
say "lint: clean"
