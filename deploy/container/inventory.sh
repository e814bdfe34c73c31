#!/bin/sh
# List what is inside an image, one a line, as inventory.py says.
#   BUILDER=docker deploy/container/inventory.sh IMAGE
set -eu

image=$1
python=/app/.venv/bin/python
list=$(cat "$(dirname "$0")/inventory.py")

case $BUILDER in
    buildah)
        container=$(buildah from "$image")
        trap 'buildah rm "$container" >/dev/null' EXIT
        buildah run ${ISOLATION:+--isolation=$ISOLATION} "$container" -- $python -c "$list"
        ;;
    *) "$BUILDER" run --rm --network none --entrypoint $python "$image" -c "$list" ;;
esac
