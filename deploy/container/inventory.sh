#!/bin/sh
# List the packages inside an image, one a line: python NAME VERSION, or deb NAME VERSION ARCHITECTURE.
#   BUILDER=docker deploy/container/inventory.sh IMAGE
set -eu

image=$1
# shellcheck disable=SC2016 # for the shell inside
list='
/app/.venv/bin/python -c "
from importlib.metadata import distributions
for found in distributions():
    print(\"python\", found.name, found.version)
"
dpkg-query --show --showformat "deb \${Package} \${Version} \${Architecture}\n"'

case $BUILDER in
    buildah)
        container=$(buildah from "$image")
        trap 'buildah rm "$container" >/dev/null' EXIT
        buildah run ${ISOLATION:+--isolation=$ISOLATION} "$container" -- sh -c "$list"
        ;;
    *) "$BUILDER" run --rm --network none --entrypoint sh "$image" -c "$list" ;;
esac
