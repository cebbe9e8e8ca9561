# The parts of bin/test: part_NAME for each of tests/runner/parts.py. To be sourced by bin/lib/part, after the other files here.
# shellcheck shell=bash disable=SC2154,SC2034

# Runs one check of a part and remembers a failure instead of ending the part.
check() {
  local began=$SECONDS
  printf -- '-- %s\n' "$1"
  shift
  "$@" || part_failed=1
  [ $((SECONDS - began)) -lt 5 ] || printf '   %s s\n' $((SECONDS - began))
}

# pytest, with what `bin/test durations` reads, in a file of the part's own.
measured_pytest() {
  local name=$1
  shift
  python -m pytest --junitxml "$cache/test/$name.xml" -o junit_family=xunit1 "$@"
}

# Something that a part cannot do on this machine: as with any other skip, only when it is allowed by name, and said.
left_out() {
  printf 'SKIPPED: %s, see its output\n' "$2" > "$BACKUP_TEST_NOTE"
  check "allowed to be skipped" grep --quiet --line-regexp "$1" tests/allowed-skips.txt
}

part_lint() {
  local namespace=ansible_collections.mongodb_ops.backup.plugins
  need_system_packages shellcheck
  need_collections # what roles name is to be found
  check "ruff check" ruff check .
  check "ruff format" ruff format --check .
  check "mypy" mypy -p $namespace.module_utils -p $namespace.plugin_utils -p backup_agent -p benchmarks \
    -p tests.ops_manager -p tests.unit.emulator -p tests.runner
  check "imports between rooms" env PYTHONPATH=.ansible/collections lint-imports --no-logo --no-cache
  check "yamllint" yamllint --strict .
  check "ansible-lint" env ANSIBLE_HOME="$root/.ansible" ansible-lint --offline
  check "shellcheck" shellcheck --external-sources bin/bench bin/demo bin/docs bin/execution-environment bin/lock bin/molecule bin/test \
    bin/wheelhouse bin/lib/part bin/lib/*.sh .ci/run
  check "changelog fragments" antsibull-changelog lint
  check "ansible-test sanity" in_collection_copy sanity_tests --skip-test pylint
}

part_docs() {
  check "antsibull-docs" antsibull-docs lint-collection-docs --plugin-docs --skip-rstcheck .
  check "what the pages say" pytest -q tests/unit/test_docs.py
  check "site" bin/docs
}

part_unit() {
  need_system_packages restic
  choose_mongod
  check "pytest" measured_pytest unit -n 2 --dist worksteal tests/unit
}

part_integration() {
  need_system_packages restic
  need_collections
  want_system_packages nft
  want_system_packages promtool
  choose_mongod
  # More files at a time than processors: much of each test is waiting. Files stay whole, because their tests share replica sets.
  check "pytest" measured_pytest integration -p tests.runner.order -n "${BACKUP_TEST_WORKERS:-3}" --dist loadfile \
    --no-loadscope-reorder -m "not release" --durations 8 tests/integration
}

part_demo() {
  need_system_packages restic
  choose_mongod
  check "demo" bin/demo
}

# The execution environment, built and used.
part_image() {
  choose_mongod
  if bin/execution-environment probe; then
    check "execution environment" bin/execution-environment test
  else
    left_out image "no container starts here"
  fi
}

part_molecule() { on_machines default; }
part_upgrade() { on_machines upgrade; }
part_minimal() { on_machines minimal; }

# Runs a scenario of Molecule, and leaves no machine, whatever happens.
on_machines() {
  choose_mongod
  if bin/molecule probe; then
    configure_containers
    trap remove_machines EXIT
    check "molecule: $1" bin/molecule test --scenario-name "$1"
  else
    left_out molecule "no machine with systemd starts here"
  fi
}

part_memory() { released memory tests/integration/agent/test_memory.py; }
part_benchmarks() { released benchmarks tests/integration/test_bench.py; }
part_rare() {
  need_collections
  released rare -n 2 --dist loadfile --ignore tests/integration/agent/test_memory.py --ignore tests/integration/test_bench.py \
    tests/integration
}
part_pylint() { check "ansible-test sanity" in_collection_copy sanity_tests --test pylint; }

# Tests with the mark `release`, which the part integration leaves out.
released() {
  local name=$1
  shift
  need_system_packages restic
  choose_mongod
  check "pytest" measured_pytest "$name" -s -m release "$@"
}

part_matrix() {
  need_system_packages restic
  choose_mongod
  check "crash matrix" python tests/integration/agent/matrix
}

part_property() {
  choose_mongod
  check "pytest" env BACKUP_PROPERTY_SECONDS="${BACKUP_PROPERTY_SECONDS:-600}" pytest -s tests/integration/agent/test_property.py
}

# What the agent does differently from version to version is in these; the rest is the same code whatever the server.
server_tests=(test_fidelity test_diffs test_property test_agent_sync test_restore)

part_servers() {
  local version mongod tests=()
  need_system_packages restic
  tests=("${server_tests[@]/#/tests/integration/agent/}")
  check "install" python -m lab.servers "$cache/servers" > "$cache/servers.txt"
  cat "$cache/servers.txt"
  while read -r version mongod; do
    check "MongoDB $version" env MONGOD="$mongod" pytest -s --durations 5 "${tests[@]/%/.py}" < /dev/null
  done < <(grep "^[0-9]" "$cache/servers.txt")
}
