"""The way back: decryption and decompression of what is sound, cut off, damaged, hostile, or for somebody else."""

import random
import resource
from pathlib import Path
from typing import Any

import pytest
from tapechain.cli.main import _main
from tapechain.runtime.codec import identities, zstandard
from tapechain.runtime.codec.decode import PIECE_BYTES, Decoder, Undecodable, fits, kinds_of_recipients
from tapechain.runtime.codec.recipients import library
from tapechain.runtime.faults import UsageFault

pytestmark = pytest.mark.timeout(60)


def packed(data: bytes, *, level: int | None = 3, key: Any = None) -> bytes:
    if level is not None:
        zstd = zstandard.compressor(level)
        data = zstd.compress(data) + zstd.flush()
    return library().encrypt(data, [key.to_public()]) if key is not None else data


def unpacked(
    data: bytes, *, zstd: bool = True, keys: Any = (), piece: int = 70_001, block: int = 1, cut: bool = False
) -> bytes:
    """What comes out; the error where there is one (unless it was *cut*)."""
    out = bytearray()

    def write(view: memoryview) -> bool:
        assert 0 < len(view) <= PIECE_BYTES
        out.extend(view)
        return True

    decoder = Decoder(
        compress="zstd" if zstd else None, encrypt="age" if keys else None, identities=keys, write=write, block=block
    )
    try:
        for at in range(0, len(data), piece):
            decoder.feed(memoryview(data)[at : at + piece])
        if not cut:
            decoder.finish()
    except Undecodable:
        decoder.cut()
        if not cut:
            raise
    except BaseException:
        decoder.abandon()
        raise
    if cut:
        decoder.cut()
    assert decoder.plain_bytes == len(out)
    return bytes(out)


@pytest.fixture(scope="module")
def key() -> Any:
    return library().x25519.Identity.generate()


DATA = b"".join(random.Random(n).randbytes(700) + b"x" * 300 for n in range(3000))


@pytest.mark.parametrize("level", [None, 3])
@pytest.mark.parametrize("encrypt", [False, True])
@pytest.mark.parametrize("size", [0, 1, 511, PIECE_BYTES, len(DATA)])
def test_what_was_packed_comes_out(size: int, encrypt: bool, level: int | None, key: Any) -> None:
    if level is None and not encrypt:
        return
    data = packed(DATA[:size], level=level, key=key if encrypt else None)
    assert unpacked(data, zstd=level is not None, keys=[key] if encrypt else ()) == DATA[:size]


@pytest.mark.parametrize("level", [None, 3])
@pytest.mark.parametrize("encrypt", [False, True])
def test_whatever_is_missing_at_the_end_is_noticed_and_what_comes_before_is_right(encrypt, level, key) -> None:
    if level is None and not encrypt:
        return
    data = packed(DATA[:300_000], level=level, key=key if encrypt else None)
    keys = [key] if encrypt else ()
    places = {0, 1, 20, 21, 100, 200, 65_551, 65_552 * 2 + 184, len(data) - 1, len(data) - 16, len(data) - 4}
    for at in sorted(places | {random.Random(n).randrange(len(data)) for n in range(60)}):
        with pytest.raises(Undecodable):
            unpacked(data[:at], zstd=level is not None, keys=keys)
        got = unpacked(data[:at], zstd=level is not None, keys=keys, cut=True, block=512)
        assert len(got) % 512 == 0 and DATA.startswith(got)


def test_whatever_is_changed_is_noticed(key) -> None:
    data = packed(DATA[:200_000], key=key)
    for n in range(40):
        at = random.Random(n).randrange(len(data))
        bad = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(Undecodable):
            unpacked(bad, keys=[key])
    with pytest.raises(Undecodable):
        unpacked(data + b"more", keys=[key])
    with pytest.raises(Undecodable, match="follow"):
        unpacked(packed(DATA) + b"more")
    with pytest.raises(Undecodable, match="follow"):
        unpacked(packed(DATA) * 2)


def test_a_bomb_goes_off_in_small_pieces() -> None:
    """A gibibyte of zeros in 32 KiB: no piece above the size of all pieces, no memory beyond it."""
    zstd = zstandard.compressor(3)
    zeros = bytes(1 << 24)
    bomb = b"".join(zstd.compress(zeros) for _ in range(64)) + zstd.flush()
    assert len(bomb) < 1 << 17
    largest = total = 0

    def write(view: memoryview) -> bool:
        nonlocal largest, total
        largest, total = max(largest, len(view)), total + len(view)
        return True

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoder = Decoder(compress="zstd", encrypt=None, identities=(), write=write, block=512)
    decoder.feed(memoryview(bomb))
    decoder.finish()
    assert (largest, total) == (PIECE_BYTES, 1 << 30)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


def test_a_window_larger_than_granted_is_refused() -> None:
    module = zstandard.module()
    parameter = module.CompressionParameter
    large = module.ZstdCompressor(options={parameter.window_log: 30, parameter.compression_level: 1})
    with pytest.raises(Undecodable, match="cannot be decompressed"):
        unpacked(large.compress(bytes(1 << 20), large.FLUSH_BLOCK))


@pytest.mark.parametrize("encrypt", [False, True])
def test_a_sink_that_wants_no_more_or_fails_ends_it(encrypt: bool, key: Any) -> None:
    data = memoryview(packed(DATA * 4, level=1, key=key if encrypt else None))
    for answer in (False, KeyError("disk")):

        def write(view: memoryview, answer: Any = answer) -> bool:
            if isinstance(answer, BaseException):
                raise answer
            return bool(answer)

        decoder = Decoder(compress="zstd", encrypt="age" if encrypt else None, identities=[key], write=write, block=1)
        try:
            wanted = True
            for at in range(0, len(data), 1 << 16):
                wanted = wanted and decoder.feed(data[at : at + (1 << 16)])
            decoder.finish()
            assert answer is False
        except KeyError as error:
            assert error is answer
        finally:
            decoder.abandon()


def test_what_an_age_file_says_of_its_recipients(key, new_key) -> None:
    age = library()
    texts = [new_key(kind).recipient for kind in ("age", "ed25519", "rsa")]
    readers = [(age.ssh if t.startswith("ssh") else age.x25519).Recipient.from_str(t) for t in texts]
    data = age.encrypt(DATA, readers)
    assert kinds_of_recipients(data[:4000]) == ("X25519", "ssh-ed25519", "ssh-rsa")
    assert kinds_of_recipients(b"anything") == () == kinds_of_recipients(b"")
    assert not fits(data[:65_000], [key])
    assert fits(age.encrypt(DATA, [key.to_public()])[:65_000], [key])


# ---------------------------------------------------------------- files of identities


def test_files_of_identities(tmp_path: Path, new_key, monkeypatch) -> None:
    monkeypatch.delenv("TCC_IDENTITY", raising=False)
    keys = [new_key(kind) for kind in ("age", "ed25519", "rsa")]
    both = tmp_path / "both"
    both.write_text("# mine\n\n" + keys[0].path.read_text() + new_key().path.read_text())
    assert len(identities.load([both, keys[1].path, keys[2].path])) == 4
    assert identities.load([]) == ()
    monkeypatch.setenv("TCC_IDENTITY", str(keys[1].path))
    assert len(identities.load([])) == 1


def test_what_is_no_identity_is_said_and_no_secret_shown(tmp_path: Path, new_key) -> None:
    secret = new_key().path.read_text().splitlines()[-1]
    wrong = {
        "a passphrase": new_key("ed25519", phrase="a long passphrase").path.read_bytes(),
        "unsupported": new_key("ecdsa").path.read_bytes(),
        "a damaged key": secret[:-1].encode(),
        "no key": b"age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p",
        "holds no key": b"# nothing\n",
        "needs a plugin": b"AGE-PLUGIN-YUBIKEY-1QQQ",
        "itself encrypted": b"age-encryption.org/v1\n-> scrypt",
        "holds more than": b"#" * (1 << 20) + b"##",
    }
    for words, data in wrong.items():
        path = tmp_path / "identity"
        path.write_bytes(data)
        with pytest.raises(UsageFault, match=words) as refused:
            identities.load([path])
        assert secret[20:40] not in str(refused.value) and "QQQ" not in str(refused.value)
    with pytest.raises(UsageFault, match="cannot be read"):
        identities.load([tmp_path / "not there"])


# ---------------------------------------------------------------- the command


@pytest.fixture
def tcc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    monkeypatch.setenv("TCC_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TCC_IDENTITY", raising=False)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = _main([str(a) for a in arguments])
        said = capfd.readouterr()
        assert "Traceback" not in said.err and "internal error" not in said.err, said.err
        return code, said.out, said.err

    return call


def test_run_and_restore_as_a_user_does(tcc: Any, tmp_path: Path, new_key, monkeypatch) -> None:
    mine, hers, other = new_key(), new_key("ed25519"), new_key()
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "f").write_bytes(DATA)
    (tmp_path / "plan.tc").write_text(
        f'source T {{ files = "tree" compress = "zstd" encrypt = ["{mine.recipient}", "{hers.recipient}"] }}\n'
        f'source C {{ command = ["echo", "hello"] encrypt = ["{mine.recipient}"] }}\n'
        'source Z { stream = "tree/f" compress = "zstd:1" }\n'
        'drive R { volumes = "media" }\nbackup group g { agent A -> R { B1 <- T B2 <- C B3 <- Z } }\n'
        "require encrypted == true of T, C\n"
    )
    code, _, said = tcc("run", "plan.tc", "--report", "r.json")
    assert code == 0, said
    assert tcc("verify", "--plan", "plan.tc")[0] == 0  # digests need no key
    where = ("--from", tmp_path / "media")
    for identity in (mine, hers):
        assert tcc("restore", "T", *where, "--to", identity.path.name, "--identity", identity.path)[0] == 0
        assert (tmp_path / identity.path.name / str(tmp_path)[1:] / "tree" / "f").read_bytes() == DATA
    assert tcc("restore", "Z", *where, "--to", "z")[0] == 0
    assert (tmp_path / "z" / "Z").read_bytes() == DATA
    assert "compressed with zstd, encrypted with age" in tcc("restore", "T", *where, "--to", "t", "--dry-run")[1]
    for wrong in ([], ["--identity", other.path], ["--identity", hers.path]):
        code, _, said = tcc("restore", "C", *where, "--to", "c", *wrong)
        assert code == 1 and "encrypted to recipients of the kind X25519" in said and "--identity" in said
        assert 'source "C"' in said and not (tmp_path / "c").exists()
    monkeypatch.setenv("TCC_IDENTITY", str(mine.path))
    assert tcc("restore", "C", *where, "--to", "c")[0] == 0
    assert (tmp_path / "c" / "C").read_bytes() == b"hello\n"
    secret = mine.path.read_text().splitlines()[-1]
    for kept in [*(tmp_path / "media").rglob("*"), *(tmp_path / "state").rglob("*"), tmp_path / "r.json"]:
        assert kept.is_dir() or secret.encode() not in kept.read_bytes()


def test_a_lost_record_costs_what_follows_and_is_said(tcc: Any, tmp_path: Path, new_key, support: Any) -> None:
    key = new_key()
    (tmp_path / "tree").mkdir()
    for n in range(8):
        (tmp_path / "tree" / f"f{n}").write_bytes(random.Random(n).randbytes(100_000))
    (tmp_path / "plan.tc").write_text(
        f'plan p {{ record = 64KiB }}\nsource T {{ files = "tree" compress = "zstd" encrypt = ["{key.recipient}"] }}\n'
        'drive R { volumes = "media" }\nbackup group g { agent A -> R { B1 <- T } }\n'
    )
    assert tcc("run", "plan.tc")[0] == 0
    (volume,) = (tmp_path / "media").iterdir()
    support.flip(volume, 16_384 + 8 * 65_536 + 1600)
    code, _, said = tcc("restore", "T", "--plan", "plan.tc", "--to", "t", "--identity", key.path)
    assert code == 3 and "record 8 is lost" in said
    back = {p.name: p.read_bytes() for p in (tmp_path / "t" / str(tmp_path)[1:] / "tree").iterdir()}
    assert 0 < len(back) < 8
    assert all(data == (tmp_path / "tree" / name).read_bytes() for name, data in back.items())
