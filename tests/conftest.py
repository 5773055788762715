"""For all tests: the installed ``tcc`` of this interpreter comes first on the PATH, whoever started pytest."""

import os
import sysconfig

os.environ["PATH"] = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", os.defpath)])
