#!/bin/sh
# Build the container's image from the newest Bento, ask it one question, and write down what is inside.
#   deploy/container/build.sh [IMAGE]
# Uses the first of docker, podman and buildah that starts a container; the environment names another: BUILDER=podman.
# Further options for `bentoml containerize`, one word each: CONTAINERIZE="--opt network=host".
set -eu

image=${1:-clinical-ner:latest}
here=$(dirname "$0")
folder=$(bentoml get clinical_ner:latest --output path)
bento=clinical_ner:$(basename "$folder")
base=$(sed -n 's/^FROM \([^ ]*\).*/\1/p' "$folder/env/docker/Dockerfile" | head -n 1)

# Whether a builder can start a container: one that is installed may lack its daemon or its runtime.
works() {
    if [ "$1" = buildah ]; then
        container=$(buildah from "$base") || return
        status=0
        buildah run ${ISOLATION:+--isolation=$ISOLATION} "$container" -- true || status=$?
        buildah rm "$container" >/dev/null
        return $status
    fi
    "$1" run --rm --network none "$base" true
}

for candidate in ${BUILDER:-docker podman buildah}; do
    if ! command -v "$candidate" >/dev/null; then
        echo "$candidate is not installed" >&2
    elif works "$candidate" >&2; then
        builder=$candidate
        break
    else
        echo "$candidate cannot start a container of $base" >&2
    fi
done
if [ -z "${builder:-}" ]; then
    echo "error: none of ${BUILDER:-docker, podman and buildah} works here" >&2
    echo "  remedy: install one, or start its daemon" >&2
    exit 2
fi
echo "building $image from $bento with $builder" >&2

# shellcheck disable=SC2086 # several words on purpose
bentoml containerize "$bento" --backend "$builder" --image-tag "$image-bento" ${CONTAINERIZE:-} >&2

# Of the image formats only Docker's has a health check; docker itself knows no other.
case $builder in docker) format= ;; *) format="--format=docker ${ISOLATION:+--isolation=$ISOLATION}" ;; esac
# shellcheck disable=SC2086
$builder build $format --build-arg "BENTO=$image-bento" --tag "$image" --file "$here/Containerfile" "$here" >&2

BUILDER=$builder "$here/smoke.sh" "$image" >&2
BUILDER=$builder "$here/inventory.sh" "$image" | python "$here/sbom.py" "$image" "$bento"
