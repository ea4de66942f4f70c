#!/usr/bin/env bash
# Images for docker-compose.yml where none can be pulled: an Envoy and the
# demo's programs out of this machine's files, each with the libraries that it
# is linked to, and nothing else.
set -euo pipefail

if [ $# -ne 2 ]; then
    echo "usage: stack/stand-in.sh ENVOY PROGRAMS

  ENVOY      an Envoy's binary
  PROGRAMS   the folder of postern-upstream, postern-idp and postern-rls (target/tool)

makes the images postern-envoy:stand-in and postern-stack:stand-in and, where Redis is
installed here, postern-redis:stand-in"
    exit 2
fi >&2
envoy=$1
programs=$2

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

main() {
    put "$work/envoy" "$envoy" /usr/local/bin/envoy
    # The health check is written in it, as the official image has it too.
    put "$work/envoy" "$(command -v bash)" /bin/bash
    image "$work/envoy" postern-envoy:stand-in

    for program in postern-upstream postern-idp postern-rls; do
        put "$work/stack" "$programs/$program" "/usr/local/bin/$program"
    done
    # A health check that is one line.
    put "$work/stack" "$(command -v sh)" /bin/sh
    image "$work/stack" postern-stack:stand-in

    echo "ENVOY_IMAGE=postern-envoy:stand-in"
    echo "STACK_IMAGE=postern-stack:stand-in"
    echo "RLS_IMAGE=postern-stack:stand-in"
    echo "RLS_COMMAND=postern-rls --listen 0.0.0.0:8081"
    echo "RLS_CHECK=postern-rls --check http://127.0.0.1:8081/__health"

    if command -v redis-server >/dev/null; then
        for program in redis-server redis-cli; do
            put "$work/redis" "$(command -v "$program")" "/usr/local/bin/$program"
        done
        image "$work/redis" postern-redis:stand-in
        echo "REDIS_IMAGE=postern-redis:stand-in"
    fi
}

# Copies a program into an image's root, and its libraries to where they are here.
put() {
    local root=$1 from=$2 to=$3 library
    install -D -m 755 "$from" "$root$to"
    # `name => /path (address)`, and of the loader `/path (address)`; a program
    # that is linked to nothing is no fault.
    { ldd "$from" 2>/dev/null || true; } | { grep -o '/[^ ]*' || true; } | while read -r library; do
        install -D -m 755 "$library" "$root$library"
    done
}

image() {
    tar -C "$1" --owner=0 --group=0 -c . |
        docker import --change 'ENV PATH=/usr/local/bin:/bin' - "$2" >/dev/null
}

main
