#!/bin/sh
# Make what compose.yaml reads from deploy/secrets, if it is not there: passwords, and a certificate for trying out.
#   deploy/secrets.sh [NAME]       NAME: what the gateway is called; localhost if not given
set -eu

folder=$(dirname "$0")/secrets
name=${1:-localhost}
# The containers' users are others than ours: they may read the files, and nobody else can enter the folder.
mkdir -p "$folder"
chmod 0700 "$folder"
umask 022

# FILE, and its content on standard input.
keep() {
    if [ -e "$folder/$1" ]; then
        cat >/dev/null
    else
        cat >"$folder/$1"
    fi
}

password() {
    openssl rand -hex 24 | tr -d '\n'
}

for one in store_password grafana_password elastic_password kibana_password duty_token; do
    password | keep "$one"
done
printf '@SET ELASTIC_PASSWORD=%s\n' "$(password)" | keep elastic_writer.conf
printf '[store]\nhost=store\ndbname=clinical_ner\nuser=clinical_ner\npassword=%s\n' "$(cat "$folder/store_password")" |
    keep store_service.conf
if [ ! -e "$folder/tls_key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj "/CN=$name" \
        -addext "subjectAltName=DNS:$name,DNS:localhost" -keyout "$folder/tls_key" -out "$folder/tls_certificate" 2>/dev/null
    chmod 0644 "$folder/tls_key"
fi
if [ ! -e "$folder/metrics_key" ]; then
    echo "now make a key for Prometheus: see 'The first start' in deploy/README.md"
fi
