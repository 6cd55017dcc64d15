# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else's program does with the API: python3-dbus, no code of ours."""
import os
import sys

import dbus
import dbus.mainloop.glib
from gi.repository import GLib

NAME = "org.boum.tails.Server1"
PATH = "/org/boum/tails/Server1"
SERVICE = NAME + ".Service"

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SystemBus()
loop = GLib.MainLoop()
web = bus.get_object(NAME, PATH + "/services/web")
service = dbus.Interface(web, SERVICE)


def until(wanted):
    """Waits until the service says of itself that it is in this state, and prints that."""

    def changed(interface, properties, _invalidated):
        if interface == SERVICE and properties.get("State") == wanted:
            loop.quit()

    match = web.connect_to_signal("PropertiesChanged", changed, dbus_interface=dbus.PROPERTIES_IFACE)
    GLib.timeout_add_seconds(100, lambda: sys.exit("never " + wanted))
    return match


match = until("disabled")
assert service.Disable()
loop.run()
match.remove()
print("disabled")
match = until("published")
assert service.Enable()
loop.run()
match.remove()
print("enabled")
manager = dbus.Interface(bus.get_object(NAME, PATH), NAME + ".Manager")
key = manager.Key("web")
with os.fdopen(key.take(), "rb") as secret:
    print("key of", len(secret.read()), "bytes")
try:
    manager.Address("mumbel")
except dbus.DBusException as error:
    print(error.get_dbus_name().rsplit(".", 1)[1])
