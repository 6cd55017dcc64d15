# SPDX-License-Identifier: GPL-3.0-or-later
# feature.py PATH: what Tails' tps/configuration/features.py has when our class is put into it (Tails 6.16), and no more; and that
# the controller may start again, whatever comes of turning the feature off. Own text, nothing of Tails is in it.
import inspect
import sys
import types

done = []


class Executil(types.ModuleType):
    @staticmethod
    def check_call(command):
        done.append(command[0].rsplit("/", 1)[-1] + " " + " ".join(command[1:]))
        if failing in command[0]:
            raise OSError(command)


class Binding:
    def __init__(self, source, destination):
        self.line = destination + "\tsource=" + source


class Feature:
    def do_deactivate(self, job):
        done.append("umount")
        if failing == "umount":
            raise RuntimeError("target is busy")


tps = types.ModuleType("tps")
tps.executil = Executil("tps.executil")
sys.modules.update({"tps": tps, "tps.executil": tps.executil})
features = {"inspect": inspect, "ConflictingApp": None, "Binding": Binding, "Feature": Feature}
with open(sys.argv[1], encoding="utf-8") as source:
    exec(source.read(), features)

classes = [g for g in features.values() if inspect.isclass(g) and Feature in g.__bases__]
assert [c.Id for c in classes] == ["TailsServer"], classes
# tps writes them sorted.
print("\n".join(sorted(binding.line for binding in classes[0].Bindings)))

released = "release-volume "
again = ["systemctl --runtime unmask tails-serverd.service", "systemctl --no-block restart tails-serverd.service"]
for failing, expected in [
    ("nothing", [released, "umount"]),
    ("umount", [released, "umount", *again]),
    ("release-volume", [released, *again]),
]:
    done.clear()
    try:
        classes[0]().do_deactivate(None)
        assert failing == "nothing"
    except (OSError, RuntimeError):
        assert failing != "nothing"
    assert done == expected, (failing, done)
