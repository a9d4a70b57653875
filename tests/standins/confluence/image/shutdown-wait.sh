#!/bin/bash
# The preStop hook of the official chart: ask Tomcat to stop and wait until it has.
set -euo pipefail

tomcat() { pgrep -f org.apache.catalina.startup.Bootstrap | head -n 1; }

pid="$(tomcat || true)"
[ -n "$pid" ] || exit 0
kill "$pid"
while kill -0 "$pid" 2>/dev/null; do
  sleep 0.5
done
