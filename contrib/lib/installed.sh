# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
# What `install` and the Debian package share: they read contrib/lib/installed-files, below the directory `root` and with the
# programs of the directory `programs`. Sourced in the top directory; whoever has no `as_root` says so.

# each ACTION: calls ACTION with mode, from and to of everything that is installed.
each() {
    local mode from to
    while read -r mode from to; do
        [[ -n "$mode" && "$mode" != '#'* ]] || continue
        # shellcheck disable=SC2154 # Whoever sources it sets it.
        "$1" "$mode" "${from/#programs\//$programs/}" "$to"
    done < contrib/lib/installed-files
}

# put MODE FROM TO: whole or not at all, as what is there may be in use.
put() {
    local mode="$1" from="$2" to="$3" file
    if [[ -d "$from" ]]; then
        for file in "$from"/*; do put "$mode" "$file" "$to/${file##*/}"; done
        return
    fi
    if [[ -x "$from" ]]; then mode=0755; fi
    # shellcheck disable=SC2154 # Whoever sources it sets it.
    as_root install -D -m "$mode" -T -- "$from" "$root$to.new"
    as_root mv -T -- "$root$to.new" "$root$to"
}

# take_away MODE FROM TO: a directory with all that is in it if it is ours alone, else what we have put into it.
take_away() {
    local from="$2" to="$3" file
    if [[ -d "$from" && "$to" != */tails-server/* ]]; then
        for file in "$from"/*; do take_away "$1" "$file" "$to/${file##*/}"; done
        return
    fi
    as_root rm -rf -- "$root$to"
}
