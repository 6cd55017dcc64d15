# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# What `check` and `demo` share: how they talk, what they install, and a network of their own. Sourced in the top
# directory, under `set -euo pipefail`.

# A user's PATH on Debian leaves out the directories of mkfs.ext4 and ip.
PATH="$PATH:/usr/sbin:/sbin:${HOME:-/root}/.cargo/bin"

note() { printf '%s\n' "$*" >&2; }

# die ERROR [HINT]
die() {
    note "Error: $1"
    [[ -z "${2:-}" ]] || note "Hint: $2"
    exit 1
}

as_root() {
    if ((EUID == 0)); then "$@"; else sudo -- "$@"; fi
}

can_be_root() { ((EUID == 0)) || command -v sudo >/dev/null; }

# install_missing THING:PACKAGE...
# Installs the packages whose THING, a program or the absolute path of a file, is not there.
install_missing() {
    local pair thing packages=()
    for pair in "$@"; do
        thing="${pair%%:*}"
        command -v "$thing" >/dev/null || [[ -e "$thing" ]] || packages+=("${pair#*:}")
    done
    ((${#packages[@]} > 0)) || return 0
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)

    local command="apt-get install --no-install-recommends ${packages[*]}"
    command -v apt-get >/dev/null || die "these are missing, by the names of Debian's packages: ${packages[*]}"
    can_be_root || die "these packages are missing: ${packages[*]}" "As root: $command"
    update_package_lists
    note "Installing Debian's packages: ${packages[*]}"
    as_root sh -eu contrib/lib/install-packages "${packages[@]}" || die "could not install packages" "See why: $command"
    hash -r
}

package_lists_are_new=no
update_package_lists() {
    [[ "$package_lists_are_new" == no ]] || return 0
    package_lists_are_new=yes
    note "Updating the list of Debian's packages"
    # One source of many that does not answer is no reason to stop: the installation will tell.
    as_root apt-get -q -o DPkg::Lock::Timeout=600 update >/dev/null || note "apt-get update had problems; going on"
}

# Whether cargo is there and as new as the workspace asks.
rust_is_new_enough() {
    local version
    rust_wanted="$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)"
    version="$(cargo --version 2>/dev/null | cut -d ' ' -f 2)" || return 1
    printf '%s\n' "$rust_wanted" "$version" | sort -V -C
}

# Makes sure of a cargo that can build this.
need_rust() {
    rust_is_new_enough && return 0
    local hint="Install Rust by rustup, as www.rust-lang.org describes, open a new terminal, and start again"
    if ! command -v rustup >/dev/null && command -v apt-get >/dev/null && can_be_root; then
        update_package_lists
        if apt-cache show rustup >/dev/null 2>&1; then
            install_missing rustup:rustup
        fi
    fi
    command -v rustup >/dev/null || die "this needs Rust $rust_wanted or newer, and Debian's is missing or older" "$hint"
    note "Installing Rust's stable toolchain by rustup"
    rustup toolchain install stable --profile minimal >&2 || die "rustup could not install the stable toolchain" "$hint"
    # A default that somebody chose stays; a new rustup has none.
    [[ "$(rustup default 2>/dev/null)" == *default* ]] || rustup default stable >&2
    export RUSTUP_TOOLCHAIN=stable
    rust_is_new_enough || die "Rust's stable toolchain is older than $rust_wanted" "Update it: rustup update stable"
}

# need_component PROGRAM COMPONENT
need_component() {
    "$1" --version >/dev/null 2>&1 && return 0
    local hint="Install it as you installed cargo, and start again"
    command -v rustup >/dev/null || die "Rust's component $2 is missing" "$hint"
    rustup component add "$2" >&2 || die "rustup could not install Rust's component $2" "$hint"
}

# Sets `own_network`, the words to put before a command, so that it runs in a network that has nothing but loopback:
# then no tor can speak with anybody outside, whatever else goes wrong.
choose_network() {
    # shellcheck disable=SC2016 # It is the inner shell that expands it.
    local enter='ip link set lo up && exec "$@"'
    if ((EUID == 0)); then
        own_network=(unshare --net -- sh -c "$enter" own-network)
    else
        # The same user as before, who may set up loopback and after that nothing more than before.
        own_network=(unshare --user --map-current-user --keep-caps --net -- sh -c "$enter" own-network
            setpriv --inh-caps=-all --ambient-caps=-all --)
    fi
    if "${own_network[@]}" true 2>/dev/null; then return 0; fi
    own_network=(env)
    note "This system does not allow a network namespace. Going on without: all listens on 127.0.0.1 and connects there."
}
