#!/bin/bash
# The preStop hook of the official chart: ask Tomcat to stop and wait until it has. Tomcat is process 1 of its container.
set -euo pipefail

[ "$(tr '\0' ' ' </proc/1/cmdline | grep -c org.apache.catalina.startup.Bootstrap)" = 1 ] || exit 0
kill 1
while kill -0 1 2>/dev/null; do
  sleep 0.5
done
