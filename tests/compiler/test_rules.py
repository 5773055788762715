"""Each rule: a plan that it refuses, with the place marked, and a plan beside it that is sound."""

import pytest

B = "backup group g { agent A -> R1 { B1 <- D1   B2 <- D2 } }\n"
M = "mirror group m of g { agent C -> R2 { * <- A } }\n"
RESTORE = "restore group o { agent A <- R1 { B1 <- D1   B2 <- all } }\n"

#: (code, plan behind the head, with « » round the place)
WRONG = [
    # names
    ("TC201", "backup group g { agent A -> R1 { B1 <- D1  B2 <- «D22» } }"),
    ("TC201", "backup group g { agent A -> «R9» { B1 <- D1 } }"),
    ("TC201", B + "mirror group m of «gg» { agent C -> R2 { B1 <- A.B1 } }"),
    ("TC201", B + "mirror group m of g { agent C -> R2 { B1 <- «X».B1 } }"),
    ("TC201", B + "mirror group m of g { agent C -> R2 { B1 <- A.«B7» } }"),
    ("TC201", B + "mirror group m of g { agent C -> R2 { B1 <- A.B1 } }\nchain A.«B7» -> C.B1"),
    ("TC201", B + "mirror group m of g { agent C -> R2 { * <- «X» } }"),
    ("TC201", B + M + "require copies >= 1 of D1, «D7»"),
    ("TC201", 'source D3 { files = "/x" host = «web» } # tcc: ignore TC901\n' + B),
    ("TC201", 'drive R4 { volumes = "x" pool = «weekly» } # tcc: ignore TC902\n' + B),
    ("TC201", 'drive R4 { volumes = "x" pool = «"weekly"» } # tcc: ignore TC902\n' + B),
    ("TC201", "chain «D9» -> A.B1 -> C.B1\n" + B + "mirror group m of g { agent C -> R2 { B2 <- A.B2 } }"),
    ("TC201", B + "let a = «b»"),
    ("TC202", 'source «D1» { files = "/x" }\n' + B),
    ("TC202", 'drive «D1» { volumes = "x" }\n' + B),
    ("TC202", B + "mirror group «g» of g { agent C -> R2 { * <- A } }"),
    ("TC202", B + "mirror group m of g { agent «A» -> R2 { B1 <- A.B1 } }"),
    ("TC202", B + "plan a\nplan «b»"),
    ("TC202", B + "let a = 1\nlet «a» = 2"),
    ("TC202", B + 'source D3 { files = "/x" «files» = "/y" } # tcc: ignore TC901'),
    ("TC203", "backup group g { agent A -> R1 { B1 <- D1  B2 <- «R2» } }"),
    ("TC203", "backup group g { agent A -> «D1» { B1 <- D1 } }"),
    ("TC203", "backup group g { agent A -> R1 { B1 <- D1  B2 <- «all(D2)» } }"),
    ("TC203", B + "mirror group m of g { agent C -> R2 { B1 <- «D1» } }"),
    ("TC203", B + "mirror group m of g { agent C -> R2 { B1 <- «A» } }"),
    ("TC203", B + "backup group h { agent C -> R2 { B1 <- «A.B1» } }"),
    ("TC203", B + "mirror group m of «A» { agent C -> R2 { B1 <- A.B1 } }"),
    ("TC203", B + "require copies >= 1 of «R1»"),
    ("TC203", B + 'source D3 { files = "/x" host = «R1» } # tcc: ignore TC901'),
    ("TC203", RESTORE + "restore group p { agent C <- R2 { B1 <- «A.B1» } }"),
    # attributes
    ("TC204", B + 'source D3 { files = "/x" «exlude» = ["a"] } # tcc: ignore TC901'),
    ("TC204", B + "plan p { «foo» = 1 }"),
    ("TC204", 'backup group g { agent A -> R1 { B1 <- D1 { «as_of» = "2026-01-01" } } }'),
    ("TC204", B + 'target T { files = "/t" «host» = x } # tcc: ignore TC909'),
    ("TC204", "backup group g { agent A -> R1 { B1 <- D1 «files» = 3 } }"),
    ("TC204", B + 'source D3 { chain = "p/D1" «exclude» = ["a"] } # tcc: ignore TC901'),
    ("TC204", B + 'source D3 { chain = "p/D1" «level» = "incremental" } # tcc: ignore TC901'),
    ("TC204", B + 'source D3 { files = "/x" «object» = "0197a2c4" } # tcc: ignore TC901'),
    ("TC205", B + 'source «D3» { tags = ["a"] } # tcc: ignore TC901'),
    ("TC205", B + 'source D3 { files = "/x" «stream» = "-" } # tcc: ignore TC901'),
    ("TC205", B + 'drive R4 { discard = true «tape» = "/dev/nst0" } # tcc: ignore TC902'),
    ("TC205", B + "drive «R4» { } # tcc: ignore TC902"),
    ("TC205", B + "target «T» { } # tcc: ignore TC909"),
    ("TC205", B + 'target T { files = "/t" stream = "/u" «command» = ["x"] } # tcc: ignore TC909'),
    # couplings
    (
        "TC301",
        "mirror group m1 of m2 { agent X -> R1 { B1 <- Y.B1 } }\n"
        "mirror group m2 of m1 { agent Y -> R2 { B1 <- «X.B1» } }",
    ),
    ("TC301", "mirror group m of m { agent X -> R1 { B1 <- «X.B1» } }"),
    ("TC301", "mirror group m of m { agent X -> R1 { * <- Y }  agent Y -> R2 { * <- «X» } }"),
    ("TC302", "backup group g { agent A -> R1 { B1 <- D1 }  agent C -> «R1» { B1 <- D2 } }"),
    ("TC302", B + "mirror group m of g { agent C -> «R1» { * <- A } }"),
    ("TC303", "backup group g { agent A -> R1 { B1 <- D1  «B1» <- D2 } }"),
    ("TC303", B + "chain D2 -> «A.B1»"),
    ("TC303", B + "mirror group m of g { agent C -> R2 { * <- A   «B1» <- A.B2 } }"),
    ("TC303", RESTORE + 'target T { files = "/t" }\nchain A.B1 -> T\nchain A.B2 -> «T»'),
    ("TC304", B + M + "mirror group n of m { agent E -> R3 { B1 <- «A.B1» } }"),
    ("TC304", B + M + "mirror group n of m { agent E -> R3 { B1 <- C.B1 } }\nchain A.B2 -> «E.B2»"),
    ("TC304", B + "mirror group m of g { agent C -> R2 { B1 <- A.B1 } }\nchain D2 -> «C.B2»"),
    ("TC304", B + "backup group h { agent C -> R2 }\nchain A.B1 -> «C.B1»"),
    ("TC305", RESTORE + "mirror group m of «o» { agent C -> R2 { B1 <- A.B1 } }"),
    ("TC305", B + "copy group m of «g» { agent C -> R2 { B1 <- A.B1 } }"),
    ("TC305", B + "mirror group «m» { agent C -> R2 { B1 <- A.B1 } }"),
    ("TC305", B + "backup group h of «g» { agent C -> R2 { B1 <- D1 } }"),
    ("TC305", RESTORE + "restore group h of «o» { agent C <- R2 { B1 <- D1 } }"),
    ("TC306", "backup group g { agent A «<-» R1 { B1 <- D1 } }"),
    ("TC306", "restore group o { agent A «->» R1 { B1 <- D1 } }"),
    ("TC306", RESTORE + "copy group c of o { agent C «<-» R2 { * <- A } }"),
    ("TC307", RESTORE + "copy group c of o { agent C -> «R1» { * <- A } }"),
    ("TC307", B + "restore group o { agent C <- «R1» { B1 <- D1 } }"),
    ("TC308", B + 'drive R4 { volumes = «"x/../m/R1"» } # tcc: ignore TC902'),
    (
        "TC308",
        'host h { }\ndrive R4 { bucket = "s3://b/x" host = h } # tcc: ignore TC902\n'
        'drive R5 { bucket = «"s3://b/x"» } # tcc: ignore TC902\n' + B,
    ),
    ("TC309", B + "mirror group m of g { agent «C» -> R2 }"),
    ("TC309", B + 'mirror group m of g { agent «C» -> R2 { order = "object" } }'),
    ("TC309", B + "mirror group «m» of g { }"),
    ("TC312", B + "chain D1 -> A.B1 -> «R1»"),
    ("TC312", B + "chain «R1» -> A.B1"),
    ("TC312", B + "chain «A» -> A.B1"),
    ("TC312", B + "chain D1 -> «D2» -> A.B1"),
    ("TC312", B + "chain D1 -> «R1.B1»"),
    ("TC312", B + 'target T { files = "/t" }\nchain D1 -> A.B1 -> «T»'),
    (
        "TC312",
        RESTORE + "copy group c of o { agent C -> R2 { B1 <- A.B1 } }\n"
        'target T { files = "/t" }\nchain A.B1 -> «T» -> C.B2',
    ),
    ("TC312", RESTORE + "copy group c of o { agent C -> R2 { B1 <- A.B1 } }\nchain C.B1 -> «A.B2»"),
    ("TC313", "backup group g { agent A -> R1 { B1 <- D1  «B2» <- D1 } }"),
    ("TC313", RESTORE + "copy group c of o { agent C -> R2 { B1 <- A.B1  «B2» <- A.B1 } }"),
    # promises
    ("TC401", B + "require «copies» >= 2"),
    ("TC401", B + "require «copies» >= 2 of D2"),
    ("TC401", B + "require «copies» <= 0"),
    ("TC401", B + "require «hosts» >= 2"),
    ("TC401", B + "require «encrypted» == true"),
    ("TC401", B + "require «memory» <= 1MiB"),
    ("TC401", B + "require «drives» >= 2 of D1"),
    ("TC401", B + "require «sites» >= 2"),
    ("TC402", B + M + "require «sites» >= 2"),
    ("TC402", B + M + "require «media» == 2"),
    ("TC402", B + "require «duration» <= 6h"),
    ("TC402", B + "require «copys» >= 1"),
    ("TC402", "require «copies» >= 1"),
    ("TC402", RESTORE + "require «encrypted» == true"),
    ("TC206", B + "require copies >= «1MiB»"),
    ("TC206", B + "require «encrypted» >= true"),
    ("TC206", B + "require memory <= «8»"),
    ("TC501", B + "plan p { memory = «1MiB» }"),
    # warnings
    ("TC901", 'source «D3» { files = "/x" }\n' + B),
    ("TC902", 'drive «R4» { volumes = "x" }\n' + B),
    ("TC903", 'source «D3» { files = "/x" }\nbackup group g { agent A -> R1 { B1 <- D3 } }'),
    (
        "TC903",
        'source «D3» { files = "/x" }\ndrive N { discard = true }\n'
        "backup group g { agent A -> R1 { B1 <- D3 } }\nmirror group m of g { agent C -> N { * <- A } }",
    ),
    (
        "TC904",
        'source «D3» { files = "/x" }\ndrive S1 { volumes = "s1" site = "x" }\ndrive S2 { volumes = "s2" site = "x" }\n'
        "backup group g { agent A -> S1 { B1 <- D3 } }\nmirror group m of g { agent C -> S2 { * <- A } }",
    ),
    ("TC906", B + 'source D3 { files = «"/plans"» } # tcc: ignore TC901'),
    ("TC906", B + 'source D3 { files = ["/x", «"m/R1"»] } # tcc: ignore TC901'),
    ("TC906", B + 'plan p { state = "/s/t" }\nsource D3 { files = «"/s"» } # tcc: ignore TC901'),
    ("TC906", B + 'target T { files = "/s/t" } # tcc: ignore TC909\nsource D3 { files = «"/s"» } # tcc: ignore TC901'),
    (
        "TC906",
        'source D3 { files = «"/s"» } # tcc: ignore TC901\n'
        'backup group g { agent A -> R1 { spool = "/s/spool"  B1 <- D1 } }',
    ),
    # lets and strings
    ("TC105", B + 'source D3 { files = "/x/«${nix}»" } # tcc: ignore TC901'),
    ("TC105", B + 'let a = "${b}"\nlet b = "«${a}»"'),
]


@pytest.mark.parametrize(("code", "text"), WRONG, ids=[f"{code}-{i}" for i, (code, _) in enumerate(WRONG)])
def test_the_fault_is_found_at_its_place_and_nothing_else_is_said(check, code, text) -> None:
    checked = check(text)
    assert checked.codes == [code], checked.messages
    assert checked.places == checked.marks
    assert (checked.compilation.plan is None) == (not code.startswith("TC9"))


#: Sound plans that look a little like wrong ones.
SOUND = [
    B + M,
    B + M + "mirror group n of m { agent E -> R3 { * <- C } }",
    B + "chain D1 -> A.B1",  # the same feed stated twice is one coupling
    B + "mirror group m of g { agent C -> R2 }\nchain D1 -> A.B1 -> C.B1",
    "chain D1 -> A.B1 -> C.B1\nbackup group g { agent A -> R1 }\nmirror group m of g { agent C -> R2 }",
    RESTORE,
    RESTORE + "copy group c of o { agent C -> R2 { * <- A } }\ncopy group d of c { agent E -> R3 { * <- C } }",
    RESTORE + 'target T { files = "/t" }\nchain A.B1 -> T',
    RESTORE + 'copy group c of o { agent C -> R2 { * <- A } }\ntarget T { stream = "/t" }\nchain C.B1 -> T',
    'restore group o { agent A <- R1 { B1 <- Unknown  B2 <- latest(Other)  B3 <- chain(D9)  B4 <- object("ID") } }',
    'restore group o { agent A <- R1 { B1 <- D1 { as_of = "2026-11-20T02:00" } } }',
    "restore group o { agent A <- R1 }\nchain Recorded -> A.B1",
    B + "mirror group m of g { agent C -> R2 { B1 <- A.B1 } }\nbackup group h { agent E -> R3 { B1 <- D1 } }",
    B + M + "require copies == 2, drives <= 2, hosts >= 1, memory <= 16MiB",
    B + "require encrypted == false",
    'host web { address = "10.0.0.1" }\nsource D3 { files = "/x" host = web } # tcc: ignore TC901\n' + B,
    'host "web-01" { }\nsource D3 { files = "/x" host = "web-01" } # tcc: ignore TC901\n' + B,
    'pool week { retention = 7d }\ndrive R4 { volumes = "x" pool = week } # tcc: ignore TC902\n' + B,
    B + "plan p { memory = 16MiB }",
    'source D3 { files = "/pl" } # tcc: ignore TC901\n' + B,
    'source "a b" { stream = "-" } # tcc: ignore TC901, TC903\nbackup group g { agent "A.1" -> R1 { "x y" <- "a b" } }',
]


@pytest.mark.parametrize("text", SOUND)
def test_sound_plans_compile_without_a_word(check, text) -> None:
    checked = check(text)
    assert checked.codes == [], checked.messages
    assert checked.compilation.plan is not None
