#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Plays Tails' script of this name.
[ "$1" != lo ] || exit 0
case "$2" in
up)
    systemctl restart tor@default.service
    ;;
down)
    systemctl --no-block stop tails-tor-has-bootstrapped.target
    ;;
esac
