#!/bin/sh
# Tell Elasticsearch how long logs are kept, what their fields are and who may write them, and Kibana how to show them.
# It may run again and again. Passwords come from files and never stand on a command line.
set -eu

: "${ELASTICSEARCH:?the address of Elasticsearch}" "${KIBANA:?the address of Kibana}"
: "${CONFIGURATION:?the folder with the JSON files}" "${SECRETS:?the folder with the passwords}"

umask 077
options=$(mktemp)
trap 'rm -f "$options"' EXIT
printf 'user = "elastic:%s"\n' "$(cat "$SECRETS/elastic_password")" >"$options"

# METHOD ADDRESS OPTIONS...
ask() {
    method=$1 address=$2
    shift 2
    curl --config "$options" --fail --silent --show-error --output /dev/null \
        --retry "${RETRIES:-60}" --retry-all-errors --retry-delay 2 --request "$method" "$@" "$address"
    echo "$method $address"
}

# METHOD ADDRESS, and the document on standard input.
send() {
    ask "$1" "$2" --header 'Content-Type: application/json' --data-binary @-
}

send PUT "$ELASTICSEARCH/_ilm/policy/clinical-ner-logs" <"$CONFIGURATION/retention.json"
send PUT "$ELASTICSEARCH/_index_template/clinical-ner-logs" <"$CONFIGURATION/index-template.json"
send PUT "$ELASTICSEARCH/_security/role/clinical_ner_writer" <"$CONFIGURATION/writer-role.json"
writer_password=$(sed -n 's/^@SET ELASTIC_PASSWORD=//p' "$SECRETS/elastic_writer.conf")
printf '{"password":"%s","roles":["clinical_ner_writer"]}' "$writer_password" |
    send PUT "$ELASTICSEARCH/_security/user/clinical_ner_writer"
printf '{"password":"%s"}' "$(cat "$SECRETS/kibana_password")" |
    send POST "$ELASTICSEARCH/_security/user/kibana_system/_password"
ask POST "$KIBANA/api/saved_objects/_import?overwrite=true" \
    --header 'kbn-xsrf: true' --form "file=@$CONFIGURATION/data-view.ndjson"
