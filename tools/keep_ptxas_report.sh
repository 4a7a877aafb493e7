#!/bin/sh
# Runs a compiler command and keeps what ptxas says about registers and spills in OBJECT.ptxas.
# usage: keep_ptxas_report.sh OBJECT COMMAND...
object=$1
shift
"$@" 2>"$object.stderr"
status=$?
report='^ptxas info|bytes stack frame'
grep -E "$report" "$object.stderr" >"$object.ptxas"
grep -vE "$report" "$object.stderr" >&2
rm -f "$object.stderr"
exit $status
