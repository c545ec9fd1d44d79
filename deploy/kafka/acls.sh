#!/bin/sh
# The access control lists of all roles, as `interlock acls` prints them. With Kafka's own tools on the PATH:
#   BOOTSTRAP_SERVERS=kafka:9092 sh deploy/kafka/acls.sh
# docs/trust.md says what each right is worth to whoever has it.
set -eu
# producer: sends decisions and waits for nothing
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-producer --operation Read --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-producer --operation Write --topic decisions
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-producer --operation Describe --group interlock-readers
# caller: sends decisions with interlock.Client and waits for what becomes of them
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-caller --operation Read --topic dead-letter --topic decisions.auto-approved --topic resolutions --topic reviews.async --topic reviews.manual --topic reviews.replies --topic reviews.sync --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-caller --operation Write --topic decisions --topic reviews.commands
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-caller --operation Describe --group interlock-readers
# reviewer-tool: the gateway of people who review: it says who acts
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-reviewer-tool --operation Read --topic decisions.auto-approved --topic policies --topic policies.candidates --topic reviewers --topic reviews.async --topic reviews.manual --topic reviews.presence --topic reviews.replies --topic reviews.sync --topic reviews.tasks --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-reviewer-tool --operation Write --topic reviews.commands --topic reviews.manual
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-reviewer-tool --operation Describe --group interlock-readers
# console: serves the console and the HTTP API, for everybody who may log in
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-console --operation Read --topic access --topic actions --topic actions.retry --topic actions.sequences --topic alerts --topic audit.anchors --topic calibration.models --topic calibration.reports --topic controls --topic dead-letter --topic decisions --topic decisions.auto-approved --topic decisions.shadow --topic drift.signals --topic keys.events --topic policies --topic policies.candidates --topic proposals --topic proposals.progress --topic resolutions --topic retraining.requests --topic reviewers --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.outcomes --topic reviews.presence --topic reviews.replies --topic reviews.sync --topic reviews.tallies --topic reviews.tasks --topic reviews.viewing --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-console --operation Write --topic access --topic actions.retry --topic alerts --topic controls --topic decisions --topic drift.signals --topic policies --topic policies.candidates --topic proposals --topic retraining.requests --topic reviewers --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.outcomes --topic reviews.sync --topic reviews.viewing --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-console --operation Read --group interlock-dead-letters-replay
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-console --operation Describe --group '*' --group interlock-readers
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-console --operation Write --transactional-id interlock-turn- --resource-pattern-type prefixed
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-console --operation Write --transactional-id interlock-dead-letters-replay
# router: routes decisions
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-router --operation Read --topic calibration.models --topic controls --topic decisions --topic policies --topic policies.candidates --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-router --operation Write --topic alerts --topic dead-letter --topic decisions.auto-approved --topic decisions.shadow --topic reviews.async --topic reviews.manual --topic reviews.sync
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-router --operation Read --group interlock-router
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-router --operation Describe --group interlock-readers
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-router --operation Write --transactional-id interlock-router --resource-pattern-type prefixed
# desk: hands out tasks and carries out commands
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-desk --operation Read --topic alerts --topic policies --topic reviewers --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.presence --topic reviews.replies --topic reviews.sync --topic reviews.tallies --topic reviews.tasks --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-desk --operation Write --topic actions --topic alerts --topic dead-letter --topic resolutions --topic reviews.commands --topic reviews.outcomes --topic reviews.presence --topic reviews.replies --topic reviews.tallies --topic reviews.tasks
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-desk --operation Read --group interlock-desk
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-desk --operation Describe --group interlock-readers
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-desk --operation Write --transactional-id interlock-desk --resource-pattern-type prefixed
# sink: copies every stored topic to ClickHouse
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sink --operation Read --topic actions --topic actions.retry --topic actions.sequences --topic alerts --topic audit.anchors --topic calibration.models --topic calibration.reports --topic controls --topic dead-letter --topic decisions --topic decisions.auto-approved --topic decisions.shadow --topic drift.signals --topic keys.events --topic policies --topic policies.candidates --topic proposals --topic resolutions --topic retraining.requests --topic reviewers --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.outcomes --topic reviews.presence --topic reviews.replies --topic reviews.sync --topic reviews.tasks --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sink --operation Write --topic alerts --topic audit.anchors
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sink --operation Read --group interlock-sink
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sink --operation Describe --group interlock-readers
# feedback: makes training examples of what people decided
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-feedback --operation Read --topic decisions.auto-approved --topic policies --topic reviews.async --topic reviews.manual --topic reviews.outcomes --topic reviews.sync --topic reviews.tallies --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-feedback --operation Write --topic alerts --topic dead-letter --topic retraining.requests --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-feedback --operation Read --group interlock-feedback
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-feedback --operation Describe --group interlock-readers
# calibration: calibrates, monitors drift, proposes changes
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-calibration --operation Read --topic calibration.models --topic controls --topic decisions --topic drift.signals --topic policies --topic proposals --topic retraining.requests --topic reviews.outcomes --topic reviews.tallies --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-calibration --operation Write --topic alerts --topic calibration.models --topic calibration.reports --topic controls --topic dead-letter --topic drift.signals --topic policies --topic proposals --topic proposals.progress
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-calibration --operation Read --group interlock-calibration --group interlock-drift --group interlock-proposals --group interlock-retraining --group interlock-revocations
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-calibration --operation Describe --group interlock-readers
# sampler: sends some of what took effect to review
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sampler --operation Read --topic decisions.auto-approved --topic policies --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sampler --operation Write --topic reviews.async
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sampler --operation Read --group interlock-sampler
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sampler --operation Describe --group interlock-readers
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-sampler --operation Write --transactional-id interlock-sampler
# notices: writes the notices that decisions owe to their subjects
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notices --operation Read --topic actions --topic decisions.auto-approved --topic policies --topic reviews.async --topic reviews.manual --topic reviews.sync --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notices --operation Write --topic actions --topic alerts
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notices --operation Read --group interlock-notices
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notices --operation Describe --group interlock-readers
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notices --operation Write --transactional-id interlock-notices --resource-pattern-type prefixed
# executor: carries out what takes effect; the groups of executors of your own begin with `executor-`
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-executor --operation Read --topic actions --topic actions.retry --topic actions.sequences --topic decisions.auto-approved --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-executor --operation Write --topic actions.sequences --topic dead-letter
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-executor --operation Read --group interlock-webhooks
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-executor --operation Read --group executor- --resource-pattern-type prefixed
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-executor --operation Describe --group interlock-readers
# notifier: sends alerts to people
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notifier --operation Read --topic alerts --topic reviewers --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notifier --operation Write --topic dead-letter
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notifier --operation Read --group interlock-notifier
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-notifier --operation Describe --group interlock-readers
# watch: looks at the progress of all groups
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-watch --operation Read --topic actions --topic actions.retry --topic actions.sequences --topic alerts --topic audit.anchors --topic calibration.models --topic calibration.reports --topic controls --topic dead-letter --topic decisions --topic decisions.auto-approved --topic decisions.shadow --topic drift.signals --topic keys.events --topic policies --topic policies.candidates --topic proposals --topic resolutions --topic retraining.requests --topic reviewers --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.outcomes --topic reviews.presence --topic reviews.replies --topic reviews.sync --topic reviews.tasks --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-watch --operation Write --topic alerts
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-watch --operation Describe --group '*' --group interlock-readers
# policy-owner: publishes policies, halts models and signs proposals on the command line
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-policy-owner --operation Read --topic calibration.models --topic controls --topic policies --topic policies.candidates --topic proposals --topic proposals.progress --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-policy-owner --operation Write --topic alerts --topic controls --topic policies --topic policies.candidates --topic proposals
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-policy-owner --operation Describe --group interlock-readers
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-policy-owner --operation Write --transactional-id interlock-turn- --resource-pattern-type prefixed
# roster-owner: says who reviews and who may judge what
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-roster-owner --operation Read --topic policies --topic reviewers --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-roster-owner --operation Write --topic reviewers
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-roster-owner --operation Describe --group interlock-readers
# privacy-officer: erases subjects and puts them under legal holds
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-privacy-officer --operation Read --topic schemas
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-privacy-officer --operation Write --topic keys.events
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-privacy-officer --operation Describe --group interlock-readers
# operator: creates topics (`interlock prepare`), looks at everything, sends dead letters again
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation Read --topic access --topic actions --topic actions.retry --topic actions.sequences --topic alerts --topic audit.anchors --topic calibration.models --topic calibration.reports --topic controls --topic dead-letter --topic decisions --topic decisions.auto-approved --topic decisions.shadow --topic drift.signals --topic keys.events --topic policies --topic policies.candidates --topic proposals --topic proposals.progress --topic resolutions --topic retraining.requests --topic reviewers --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.outcomes --topic reviews.presence --topic reviews.replies --topic reviews.sync --topic reviews.tallies --topic reviews.tasks --topic reviews.viewing --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation Write --topic actions.retry --topic decisions --topic drift.signals --topic keys.events --topic retraining.requests --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.outcomes --topic reviews.sync --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation Read --group interlock-dead-letters-replay
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation Describe --group '*' --group interlock-readers
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation Write --transactional-id interlock-dead-letters-replay
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation Create --topic access --topic actions --topic actions.retry --topic actions.sequences --topic alerts --topic audit.anchors --topic calibration.models --topic calibration.reports --topic controls --topic dead-letter --topic decisions --topic decisions.auto-approved --topic decisions.shadow --topic drift.signals --topic keys.events --topic policies --topic policies.candidates --topic proposals --topic proposals.progress --topic resolutions --topic retraining.requests --topic reviewers --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.outcomes --topic reviews.presence --topic reviews.replies --topic reviews.sync --topic reviews.tallies --topic reviews.tasks --topic reviews.viewing --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation AlterConfigs --topic access --topic actions --topic actions.retry --topic actions.sequences --topic alerts --topic audit.anchors --topic calibration.models --topic calibration.reports --topic controls --topic dead-letter --topic decisions --topic decisions.auto-approved --topic decisions.shadow --topic drift.signals --topic keys.events --topic policies --topic policies.candidates --topic proposals --topic proposals.progress --topic resolutions --topic retraining.requests --topic reviewers --topic reviews.async --topic reviews.commands --topic reviews.manual --topic reviews.outcomes --topic reviews.presence --topic reviews.replies --topic reviews.sync --topic reviews.tallies --topic reviews.tasks --topic reviews.viewing --topic schemas --topic training.examples
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation Describe --cluster
kafka-acls.sh --bootstrap-server "$BOOTSTRAP_SERVERS" --add --allow-principal User:interlock-operator --operation DescribeConfigs --cluster
