"""Plans as texts, and the pictures made from them: on several hosts, with faults, of two versions, with 200 agents."""

from __future__ import annotations

from tapechain.cli.picturing import picture_of_program
from tapechain.compiler.differ import diff
from tapechain.compiler.emit.compare import compared
from tapechain.compiler.emit.links import read_template
from tapechain.compiler.emit.picture import Picture
from tapechain.compiler.program import Compilation, compile_program
from tapechain.compiler.world import MemoryWorld

HOSTS = """
plan spread
host web { address = "10.0.0.1" }
host db { address = "db.example.org" }
host nas { address = "10.0.0.9" }
source www { files = "/srv/www"  host = web }
source mail { files = "/srv/mail"  host = web }
source shop { command = ["pg_dump", "shop"]  host = db }
source here { files = "/etc" }
drive R1 { volumes = "m/R1"  host = web }
drive R2 { volumes = "m/R2" }
drive R3 { volumes = "m/R3" }
drive V1 { volumes = "m/V1"  host = nas }
drive V2 { volumes = "m/V2"  host = nas }
backup group nightly {
  agent A1 -> R1 { host = web  B1 <- www  B2 <- mail }
  agent A2 -> R2 { host = db  B1 <- shop }
  agent A3 -> R3 { B1 <- here }
}
mirror group offsite of nightly {
  agent M1 -> V1 { host = nas  * <- A1 }
  agent M2 -> V2 { host = nas  B1 <- A2.B1  B2 <- A3.B1 }
}
"""

FAULTY = """
plan faulty { memory = 20MiB }
source home { files = "/home" }
source shop { command = ["pg_dump", "-Fc", "shop"] }
source logs { files = "/var/log" }
source lost { files = "/lost" }
drive disk  { volumes = "/backup/disk"  site = "here" }
drive vault { volumes = "/mnt/vault"    site = "vault" }
drive twice { volumes = "/backup/../backup/disk" }
backup group nightly {
  agent first -> disk {
    B1 <- home
    B2 <- shop
    B3 <- home
    B4 <- shpo
  }
  agent third -> disk { B1 <- logs }
}
mirror group offsite of nightly {
  agent second -> vault { B1 <- first.B1   B1 <- first.B2 }
  agent other -> twice { B1 <- second.B1 }
}
"""

#: What is marked where in FAULTY.
FAULTS = {
    ("agent", "first"): {"TC201", "TC313"},
    ("agent", "third"): {"TC302"},
    ("agent", "second"): {"TC303"},
    ("agent", "other"): {"TC304"},
    ("drive", "twice"): {"TC308"},
    ("source", "lost"): {"TC901"},
}

OLD = """
plan night
source home { files = "/home" }
source shop { command = ["pg_dump", "-Fc", "shop"] }
source logs { files = "/var/log" }
drive disk { volumes = "/backup/disk"  site = "here" }
drive vault { volumes = "/mnt/vault"  site = "vault" }
drive old { volumes = "/mnt/old"  site = "attic" }
backup group nightly {
  agent first -> disk { B1 <- home  B2 <- shop  B3 <- logs }
}
mirror group offsite of nightly {
  agent second -> vault { * <- first }
}
mirror group third of nightly {
  agent attic -> old { B1 <- first.B1 }
}
"""

NEW = """
plan night
source home { files = ["/home", "/root"] }
source shop { command = ["pg_dump", "-Fc", "shop"] }
source mail { files = "/srv/mail" }
drive disk { volumes = "/backup/disk"  site = "here" }
drive vault { volumes = "/mnt/vault"  site = "vault" }
drive tape { tape = "/dev/nst0"  site = "mine" }
backup group nightly {
  agent first -> disk { B1 <- home  B2 <- shop  B4 <- mail }
}
mirror group offsite of nightly {
  agent second -> vault { B1 <- first.B2  B4 <- first.B4 }
}
mirror group deep of nightly {
  agent miner -> tape { B1 <- first.B4 }
}
"""

#: 200 agents in two groups, and two small ones; 300 chains.
BIG = """
plan works
host server { address = "10.0.1.1" }
for i in 1..100 {
  source "files-${i}" { files = "/srv/${i}" }
  source "dump-${i}" { command = ["dump", "${i}"] }
  drive "R${i}" { volumes = "m/R${i}"  site = "hall"  host = server }
  drive "V${i}" { volumes = "m/V${i}"  site = "vault"  host = server }
}
source extra { files = "/extra" }
drive X { discard = true  host = server }
backup group nightly {
  for i in 1..100 {
    agent "A${i}" -> "R${i}" {
      host = server
      B1 <- "files-${i}"
      B2 <- "dump-${i}"
    }
  }
}
mirror group offsite of nightly {
  for i in 1..100 {
    agent "M${i}" -> "V${i}" { host = server  * <- "A${i}" }
  }
}
backup group few {
  agent E -> X { host = server  B1 <- extra }
}
"""


def compiled(text: str, name: str = "night.tc", **more: str) -> Compilation:
    return compile_program(name, MemoryWorld(files={name: text, **more}))


def picture(text: str, *, annotate: bool = False, link: str | None = None) -> Picture:
    template = read_template(link) if link is not None else None
    return picture_of_program(compiled(text), annotate=annotate, link=template)[0]


def changes(old: str = OLD, new: str = NEW) -> Picture:
    before, after = compiled(old).plan, compiled(new).plan
    assert before is not None and after is not None
    return compared(before, after, diff(before, after))
