#!/usr/bin/env bash
# Kills `record` and its database again and again, at random moments: afterwards the database has the rows that an independent
# recorder wrote, each once.
#
#   scripts/database-kills.sh [KILLS]              20 of each
set -euo pipefail
METRICS_TEST_KILLS=${1:-20} cargo test --test it -- --exact \
    database::resumed::kills_of_the_recorder_and_the_database_at_random_moments
