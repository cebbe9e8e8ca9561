# The part `versions` of bin/test: the oldest ansible-core that is supported and the newest that can be had, each in an
# environment of its own. To be sourced by bin/test, after environment.sh, whose variables it uses.
# shellcheck shell=bash disable=SC2154

# Every Python that is here: by its usual names, and those of pyenv, whose names only work when they are chosen.
all_pythons() {
  local name
  for name in python3.14 python3.13 python3.12 python3.11; do command -v "$name" || true; done
  if command -v pyenv >/dev/null; then ls -d "$(pyenv root)"/versions/*/bin/python3 2>/dev/null || true; fi
}

# The newest decides which ansible-core is the newest that can be had: each version asks for a newer Python than the one before.
newest_python() {
  all_pythons | while IFS= read -r candidate; do
    "$candidate" -c 'import sys; print("%d.%02d %s" % (*sys.version_info[:2], sys.executable))' 2>/dev/null || true
  done | sort | tail -n 1 | cut -d ' ' -f 2
}

# Makes a new environment, so that the newest version is looked up each time.
versions_environment() {
  local directory=$1 python=$2 core=$3
  rm -rf "$directory"
  uv venv --quiet --python "$python" "$directory"
  uv pip install --quiet --python "$directory/bin/python" "ansible-core$core" \
    "$(grep '^pymongo==' tests/requirements.txt)" "$(grep '^pytest==' tests/requirements.txt)" \
    "$(grep '^pytest-mock==' tests/requirements.txt)" "$(grep '^werkzeug==' tests/requirements.txt)" \
    "$(grep '^hypothesis==' tests/requirements.txt)"
}

# check.yml as on inventories/local, but over the replica set of the laboratory, and without an agent.
versions_inventory() {
  cat > "$1/hosts.yml" <<YAML
backup_jobs:
  hosts:
    here:
      ansible_connection: local
      ansible_python_interpreter: "{{ ansible_playbook_python }}"
      backup_source_uri: "{{ (lookup('ansible.builtin.file', '$1/rs/lab.json') | ansible.builtin.from_json).uri }}"
      check_fail_on: never
      check_report_directory: $1/reports
YAML
}

test_with_core() {
  local name=$1 python=$2 core=$3 work=$4 directory=$cache/versions-$1
  check "$name: install ansible-core$core" versions_environment "$directory" "$python" "$core"
  (
    export PATH=$directory/bin:$PATH ANSIBLE_HOME=$work/ansible-$name
    unset VIRTUAL_ENV
    part_failed=0
    ansible --version | sed -n '1p; s/^  python version = \([0-9.]*\).*/Python \1/p'
    check "$name: unit tests of the plugins" python -m pytest -q tests/unit/plugins
    check "$name: syntax of the playbooks" ansible-playbook --syntax-check -i inventories/local playbooks/*.yml
    check "$name: check.yml" ansible-playbook -i "$work/hosts.yml" playbooks/check.yml
    check "$name: check.yml has read the replica set" \
      python -c 'import json, sys; found = json.load(open(sys.argv[1])); assert "rs0" in json.dumps(found), found' "$work/reports/check.json"
    exit "$part_failed"
  ) || part_failed=1
}

part_versions() {
  local work lab
  choose_mongod
  work=$(mktemp -d)
  versions_inventory "$work"
  PYTHONPATH=$root python -m lab up --directory "$work/rs" > "$work/lab.log" 2>&1 &
  lab=$!
  for _ in $(seq 120); do
    [ ! -e "$work/rs/lab.json" ] || break
    sleep 0.5
  done
  test_with_core oldest "$env_dir/bin/python" "$(oldest_core)" "$work"
  test_with_core newest "$(newest_python)" "" "$work"
  kill "$lab"
  wait "$lab" || true
  rm -rf "$work"
}

# What meta/runtime.yml promises, with the newest of its corrections.
oldest_core() {
  sed -n 's/^requires_ansible: ">=\([0-9]*\.[0-9]*\)\.[0-9]*"$/==\1.*/p' meta/runtime.yml
}
