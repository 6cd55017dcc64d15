#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Plays Tails' script of this name. What the rules refused of ours is written down before they are made anew.
[ "$1" != lo ] && [ "$2" = up ] || exit 0
/usr/local/lib/count-refused
/usr/local/sbin/firewall-up
