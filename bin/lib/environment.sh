# Functions that make the environment which bin/test and bin/bench run in. To be sourced from the repository's root, with
# `root` set; what the tools are called with is left to the caller.
# shellcheck shell=bash

# shellcheck disable=SC2154 # the script that sources this file sets root
cache=$root/.cache

# What Python compiles is kept, also where the machine says otherwise: every playbook and every agent starts in half the time.
unset PYTHONDONTWRITEBYTECODE

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 2; }

# The newest of the usual names, because the agent and ansible-core ask for different minimums; $PYTHON overrides it.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3 python3.11 python3.12 python3.13; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  die "expected Python 3.11 to 3.13, found none; install one, or name it in PYTHON"
}

# One environment per set of requirements: a change makes a new one, and going back finds the old one again.
environment_key() {
  cat tests/requirements.txt agent/pyproject.toml 2>/dev/null | sha256sum | cut -c1-12
}

make_environment() {
  local python
  env_dir=$cache/env-$(environment_key)
  if [ ! -e "$env_dir/complete" ]; then
    python=$(find_python)
    say "installing the tools into ${env_dir#"$root"/}"
    rm -rf "$env_dir"
    "$python" -m venv "$env_dir"
    "$env_dir/bin/python" -m pip install --quiet uv
    install_requirements
    touch "$env_dir/complete"
  fi
  # molecule, ansible-lint and others call each other by name.
  export PATH=$env_dir/bin:$PATH
  export VIRTUAL_ENV=$env_dir
}

install_requirements() {
  local agent=()
  if [ -e agent/pyproject.toml ]; then agent=(--editable agent); fi
  "$env_dir/bin/uv" pip install --quiet --compile-bytecode --python "$env_dir/bin/python" --requirement tests/requirements.txt "${agent[@]}"
}

# Copies of what Git knows, also what is not committed yet, the named paths into a directory.
copy_known() {
  local into=$1
  shift
  mkdir -p "$into"
  # A file that was deleted but is still tracked cannot be copied, and need not be.
  git ls-files -z --cached --others --exclude-standard -- "$@" |
    while IFS= read -r -d '' file; do if [ -e "$file" ] || [ -L "$file" ]; then printf '%s\0' "$file"; fi; done |
    tar --null --files-from=- --create | tar --extract --directory "$into"
}

# restic and shellcheck are no Python packages, and tests that quietly do without them would be worth nothing.
need_system_packages() {
  local missing=() name
  for name in "$@"; do
    command -v "$name" >/dev/null && continue
    case $name in
      nft) missing+=(nftables) ;;
      promtool) missing+=(prometheus) ;;
      ssh) missing+=(openssh-client) ;;
      ip) missing+=(iproute2) ;;
      *) missing+=("$name") ;;
    esac
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "installing ${missing[*]}"
    # Two parts may come here at once, and apt does not wait for itself.
    flock --close "$cache/apt.lock" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive flock --close "$cache/apt.lock" \
      apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    return
  fi
  die "expected ${missing[*]} on the PATH, found none; install the distribution's packages of these names"
}

# Where these cannot be had, the tests that need them are skipped by name (tests/allowed-skips.txt).
want_system_packages() {
  (need_system_packages "$@") || say "going on without all of $*: the tests that need them are skipped"
}

# The laboratory takes a mongod from $MONGOD; the one that was installed here serves where the machine has none.
choose_mongod() {
  local bundled
  if [ -n "${MONGOD:-}" ] || command -v mongod >/dev/null; then return; fi
  bundled=$("$env_dir/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/fiftyone/db/bin/mongod
  if [ -x "$bundled" ]; then export MONGOD=$bundled; fi
}
