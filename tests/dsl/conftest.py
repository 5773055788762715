"""Plans that all tests of the front end share, and a short way to say what a parse gave."""

from collections.abc import Callable

import pytest
from tapechain.dsl.ast import File
from tapechain.dsl.parser import parse

FIGURE_2 = """\
plan figure2 {
  record = 1MiB            # size of one record on every volume of this plan
  depth  = 8               # records that one buffer memory holds
}

source D1 { files = "/home" }
source D2 { files = ["/srv/www", "/srv/mail"]  exclude = ["*.tmp", "cache/"] }
source D3 { command = ["pg_dump", "-Fc", "shop"] }
source D4 { stream = "/var/lib/dump.img" }
source D5 { files = "/opt" }
source D6 { files = "/etc" }

drive R1 { volumes = "media/R1" }
drive R2 { volumes = "media/R2" }
drive R5 { volumes = "media/R5"  site = "vault" }
drive R8 { volumes = "media/R8"  site = "vault" }
drive R3 { volumes = "media/R3"  site = "mine" }
drive R6 { volumes = "media/R6"  site = "mine" }

backup group nightly {
  agent A124 -> R1 {
    B1 <- D3
    B2 <- D2
    B3 <- D1
  }
  agent A126 -> R2 {
    B1 <- D4
    B2 <- D5
    B3 <- D6
  }
}

mirror group mirror1 of nightly {
  agent A138 -> R5 {
    B2 <- A124.B2
    B3 <- A124.B3
  }
  agent A140 -> R8 {
    B1 <- A126.B3
    B2 <- A126.B1
    B3 <- A126.B2
  }
}

mirror group mirror2 of mirror1 {
  agent A144 -> R3 { B2 <- A138.B2 }
  agent A146 -> R6 { B1 <- A140.B1 }
}

require copies >= 2, sites >= 2 of D2, D6
"""

CHAINS = """\
chain D2 -> A124.B2 -> A138.B2 -> A144.B2
chain D6 -> A126.B3 -> A140.B1 -> A146.B1
"""

FIGURE_5 = """\
plan refresh

drive R2 { volumes = "media/R2" }
drive R5 { volumes = "media/R5" }
drive R1 { volumes = "fresh/R1" }
drive R3 { volumes = "fresh/R3" }
drive R6 { volumes = "fresh/R6" }
drive R8 { volumes = "fresh/R8" }

restore group old {
  agent A150 <- R2 {           # a restore media agent reads its drive
    B1 <- D4                   # the newest object of source D4 on R2's volumes
    B2 <- D6
  }
  agent A152 <- R5 { B1 <- all(D2) }
}

copy group copy1 of old {
  agent A158 -> R1 { B1 <- A150.B1 }
  agent A160 -> R3 { B1 <- A150.B2   B2 <- A152.B1 }
}

copy group copy2 of copy1 {
  agent A164 -> R6 { B2 <- A158.B1 }
  agent A166 -> R8 { B3 <- A160.B1 }
}

target T1 { files = "restored/D6" }
chain A150.B2 -> T1            # the same pass over the tape also restores D6 to a folder
"""

EVERYTHING = """\
include "site.tc"
param where = "/srv"
let days = 7d
host web { address = "web.example" }
pool weekly { retention = 90d  sessions = 4  capacity = 2TB }
plan all { window = 6h  on_failure = "abort"  memory = 0.5GiB }
source "web-01" { files = "${where}/www"  host = web  one_file_system = true  rate = 30MB/s  tags = ["a", "b",] }
drive L { tape = "/dev/nst0"  pool = weekly  rate = 30MB/s..160MB/s  slot = 3  order = [] }
for n in 1..3 { source "s${n}" { stream = "-" } }
backup group nightly {
  agent A -> L { order = "object"  B1 <- "web-01" { depth = 32 }  for n in ["x", "y"] { "${n}" <- "s${n}" } }
  for n in 1..days { agent "M${n}" -> L { * <- A { depth = 4 }  host = web } }
}
restore group back {
  agent R <- L {
    B1 <- latest(D1)  B2 <- all  B3 <- chain(D1) { as_of = "2026-11-20T02:00" }  B4 <- object("0197")  B5 <- "web-01"
  }
}
mirror group far of nightly { agent F -> L }
require copies >= 3, encrypted == true, memory <= 1GiB of D1, "web-01"
"""


@pytest.fixture(params=[FIGURE_2, CHAINS, FIGURE_5, EVERYTHING], ids=["figure2", "chains", "figure5", "everything"])
def plan_text(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def figure_2() -> str:
    return FIGURE_2


@pytest.fixture
def figure_5() -> str:
    return FIGURE_5


@pytest.fixture
def everything() -> str:
    return EVERYTHING


@pytest.fixture
def parsed() -> Callable[[str], File]:
    """Parse a text that must be clean."""

    def read(text: str) -> File:
        file, diagnostics = parse(text, "plan.tc")
        assert diagnostics == ()
        return file

    return read
