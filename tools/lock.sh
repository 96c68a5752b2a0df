#!/bin/bash
# tools/lock.sh RELEASE: resolve a release's requirements under its constraints into lock.txt.
# Run it when a pin changes; needs uv. The lock alone decides what a controller gets.
set -euo pipefail
cd "$(dirname "$0")/../infra/controller/pins/${1:?name a release, such as 2026.1}"
uv pip compile -q --upgrade --generate-hashes --no-header --no-annotate \
  -c constraints.txt -b build-constraints.txt --python-version 3.13 \
  --python-platform x86_64-manylinux_2_40 requirements.in -o lock.txt
