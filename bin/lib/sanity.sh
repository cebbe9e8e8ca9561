# ansible-test's own checks of the collection. To be sourced by bin/lib/part, after environment.sh, whose variables it uses.
# shellcheck shell=bash disable=SC2154

# ansible-test refuses to run through the symlink, and looks only at what Git tracks: so it gets a copy of its own, with
# what is not committed yet, but without what is ignored. It would also judge everything in bin/, and the Python beside the
# plugins by the rules for plugins: those parts have checks of their own above.
collection=mongodb_ops/backup
not_for_ansible_test=(':!.ansible' ':!.ci' ':!agent' ':!benchmarks' ':!bin' ':!docs/site' ':!lab' ':!molecule' ':!tests/integration'
  ':!tests/execution_environment' ':!tests/ops_manager' ':!tests/runner' ':!tests/unit/agent' ':!tests/unit/benchmarks'
  ':!tests/unit/emulator' ':!tests/unit/lab' ':!tests/unit/runner')

in_collection_copy() {
  local home=$cache/home status=0 work
  work=$(mktemp -d)
  local copy=$work/ansible_collections/$collection
  copy_known "$copy" . "${not_for_ansible_test[@]}"
  git -C "$copy" init --quiet
  git -C "$copy" add --all --force
  stand_in_for_get_pip "$home"
  (cd "$copy" && HOME=$home "$@") || status=$?
  rm -rf "$work"
  return "$status"
}

# ansible-test wants to download a script that installs one version of pip. This one installs the same version from the
# package index, the way everything else is installed. HOME is one below .cache, so that the user's own stays as it is.
stand_in_for_get_pip() {
  local requirements version folder=$1/.ansible/test/cache
  requirements=$(python -c 'import ansible_test, os; print(os.path.dirname(ansible_test.__file__))')/_internal/python_requirements.py
  version=$(sed -n "s/.*pip=[\"']\([0-9.]*\)[\"'].*/\1/p" "$requirements" | head -n 1)
  [ -n "$version" ] || die "expected the version of pip in $requirements, found none; see how this ansible-test names it"
  mkdir -p "$folder"
  if [ ! -e "$folder/pip-$version-py3-none-any.whl" ]; then
    python -m pip download --quiet --no-deps "pip==$version" --dest "$folder"
  fi
  sed "s/@VERSION@/$version/g" tests/get_pip_stand_in.py > "$folder/get_pip_${version//./_}.py"
}

# The arguments choose among them.
sanity_tests() {
  ansible-test sanity "$@" --local --python "$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')" --color no
}
