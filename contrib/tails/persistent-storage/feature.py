# SPDX-License-Identifier: GPL-3.0-or-later
# For tps/configuration/features.py: Feature and Binding are imported there already, the next line is new. get_classes() finds
# the class by itself. Names are no calls of gettext there: the Welcome Screen translates them, from the title of the row.
from tps import executil


class TailsServer(Feature):
    Id = "TailsServer"
    translatable_name = "Onion Services"
    # The data first: the controller begins with the directory of its state, and needs all of them.
    Bindings = (
        Binding("tails-server-data", "/var/lib/tails-server-data"),
        Binding("tails-server", "/var/lib/tails-server"),
    )

    def do_deactivate(self, job):
        # The controller keeps its files open, and a server holds its data, so umount would say "target is busy". No hook
        # runs before the umount.
        try:
            executil.check_call(["/usr/local/lib/tails-server/release-volume"])
            super().do_deactivate(job)
        except BaseException:
            # Still in use, or cancelled: the volume is there, and so is what is kept.
            executil.check_call(["systemctl", "--runtime", "unmask", "tails-serverd.service"])
            executil.check_call(["systemctl", "--no-block", "restart", "tails-serverd.service"])
            raise
