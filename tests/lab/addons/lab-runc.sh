#!/bin/sh
# Copyright: (c) 2026, kubestead contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# runc on a machine that may not lower an oom score (no CAP_SYS_RESOURCE): containers that want less than 0 get 0.
bundle=
previous=
for word in "$@"; do
    [ "$previous" = --bundle ] && bundle=$word
    previous=$word
done
if [ -n "$bundle" ]; then
    sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/' "$bundle/config.json"
fi
exec runc "$@"
