#!/bin/sh
# New secrets, each once for one deployment:
#   sh deploy/secrets.sh compose > .env
#   sh deploy/secrets.sh kubernetes > deploy/kubernetes/base/secrets.env
#   sh deploy/secrets.sh kubernetes-keys > deploy/kubernetes/base/keys.env
#   sh deploy/secrets.sh kubernetes-trail > deploy/kubernetes/base/trail.env
#   sh deploy/secrets.sh kubernetes-webhooks > deploy/kubernetes/components/webhooks/webhooks.env
set -eu
new() { openssl rand -hex 16; }
case "${1:-}" in
  compose)
    echo "INTERLOCK_PASSWORD=$(new)"
    echo "INTERLOCK_ANALYST_PASSWORD=$(new)"
    echo "INTERLOCK_GRAFANA_PASSWORD=$(new)"
    echo "INTERLOCK_AUDIT_KEY=$(new)"
    echo "INTERLOCK_SESSION_KEY=$(openssl rand -hex 32)"
    echo "INTERLOCK_SIGNING_KEY=$(openssl rand -hex 32)"
    echo "INTERLOCK_CALLERS_KEY=$(openssl rand -hex 32)"
    echo "INTERLOCK_MASTER_KEY=$(openssl rand -hex 32)"
    echo "INTERLOCK_TRAIL_KEY=$(openssl rand -hex 32)" ;;
  kubernetes)
    echo "INTERLOCK_CLICKHOUSE__PASSWORD=$(new)"
    echo "INTERLOCK_CLICKHOUSE__ANALYST_PASSWORD=$(new)"
    echo "INTERLOCK_ROUTER__AUDIT_KEY=$(new)"
    echo "INTERLOCK_API__SESSION_KEY=$(openssl rand -hex 32)"
    console=$(openssl rand -hex 32)
    callers=$(openssl rand -hex 32)
    echo "INTERLOCK_SIGNING__KEY=$console"
    echo "INTERLOCK_ROUTER__SIGNERS={\"console\": \"$console\"}"
    echo "INTERLOCK_DESK__SIGNERS={\"console\": {\"key\": \"$console\"}, \"callers\": {\"key\": \"$callers\", \"speaks_for\": \"callers\"}}" ;;
  kubernetes-keys)
    echo "INTERLOCK_ENCRYPTION__MASTER_KEY=$(openssl rand -hex 32)" ;;
  kubernetes-trail)
    echo "INTERLOCK_TRAIL__SIGNING_KEY=$(openssl rand -hex 32)" ;;
  kubernetes-webhooks)
    echo "INTERLOCK_WEBHOOKS__SECRET=whsec_$(openssl rand -base64 32)" ;;
  *)
    echo "usage: sh deploy/secrets.sh compose|kubernetes|kubernetes-keys|kubernetes-trail|kubernetes-webhooks" >&2
    exit 2 ;;
esac
