#!/bin/sh
# Start an image as compose.yaml does - read-only, without capabilities - and ask it one question; it must state its user
# and its health check, and nothing in it may run as root.
#   BUILDER=docker deploy/container/smoke.sh IMAGE
# buildah starts containers for building alone: with it the image is asked without these limits, and on this machine's
# own network.
set -eu

image=$1
name=clinical-ner-smoke-$$
question='
import json, os, time, urllib.error, urllib.request
address = "http://127.0.0.1:{}/extract".format(os.environ.get("PORT", 3000))
deadline = time.monotonic() + 60
while True:
    try:
        body = json.dumps({"text": "Asthma was treated with albuterol."}).encode()
        asked = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        answer = json.load(urllib.request.urlopen(asked, timeout=10))
        break
    except urllib.error.URLError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.2)
assert os.getuid() != 0, "the container runs as root"
found = [(entity["text"], entity["label"]) for entity in answer["entities"]]
assert found == [("Asthma", "DISEASE"), ("albuterol", "TREATMENT")], found
print("the container answers:", found)
'

fail() {
    echo "error: $image: $1" >&2
    exit 1
}

# Where each tool tells what the image states.
case $BUILDER in
    docker) user=.Config.User check=.Config.Healthcheck ;;
    buildah) user=.Docker.Config.User check=.Docker.Config.Healthcheck ;;
    *) user=.User check=.HealthCheck ;;
esac
stated=$("$BUILDER" inspect --type image --format "{{$user}} {{if $check}}checked{{end}}" "$image")
case ${stated%% *} in "" | root | root:* | 0 | 0:*) fail "its user is root" ;; esac
case $stated in *" checked") ;; *) fail "it has no health check" ;; esac

case $BUILDER in
    buildah)
        port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
        container=$(buildah from "$image")
        trap 'buildah rm "$container" >/dev/null' EXIT
        # shellcheck disable=SC2016 # for the shell inside
        buildah run ${ISOLATION:+--isolation=$ISOLATION} --env CLINICAL_NER_LOCAL=true --env "PORT=$port" \
            "$container" -- bash -c '
                cd "$BENTO_PATH"
                env/docker/entrypoint.sh serve & server=$!
                status=0; /app/.venv/bin/python -c "$1" || status=$?
                kill $server; wait $server || true
                exit $status' bash "$question"
        ;;
    *)
        # No keys, and so only who is inside is answered.
        "$BUILDER" run --detach --name "$name" --network none --read-only --tmpfs /tmp --tmpfs /var/lib/clinical-ner:mode=1777 \
            --cap-drop ALL --security-opt no-new-privileges --env CLINICAL_NER_LOCAL=true \
            "$image" >/dev/null
        trap '"$BUILDER" rm --force "$name" >/dev/null' EXIT
        "$BUILDER" exec "$name" /app/.venv/bin/python -c "$question" || { "$BUILDER" logs "$name"; exit 1; }
        "$BUILDER" exec "$name" touch /written 2>&1 | grep -q "Read-only file system" || fail "its root can be written to"
        ;;
esac
