"""A file system of the tests' own: a folder seen through FUSE, with faults at will and a log of all that changes it.

A program: ``python faulty_fs.py FOLDER MOUNT [LOG]``. It speaks the kernel's protocol itself (``linux/fuse.h``, version
7.31): the libraries of FUSE's high level know files by path, and a volume is made without one (O_TMPFILE, then a link).
It reads one line of JSON at a time from its standard input:

    {"rules": [RULE…]}   these faults from now on, and no others; whatever hangs is let go
    {"mark": TEXT}       a mark in the log

and answers each with one line of JSON: ``[TIMES that each rule fired…]`` as it stood before.

A rule: ``{"when": {"ops": […], "path": REGEX, "head": TEXT, "at": BYTE, "nth": N}, "then": {"ops": […], "path": REGEX,
"at": BYTE, "do": …, "times": N}}``. At the N-th operation that fits *when* (*head*: a write's bytes hold TEXT; *at*: a
read reaches behind BYTE) the rule is armed; from then on, that one included, each operation that fits *then* is done
so, N times, or for ever:

    ["error", ERRNO]        fails
    ["short", BYTES]        a write takes, or a read gives, only so many bytes
    ["direct"]              of ``open``: what is read goes by no cache, so that a short read is one, and not the end
    ["cut", BYTES]          the file is cut to so many bytes first
    ["grow", BYTES]         so many bytes are put behind the file's end first
    ["torn", BYTES, ERRNO]  a write takes so many bytes and fails
    ["slow", SECONDS]       late
    ["hang"]                not before the rules change
    ["room", BYTES, ERRNO]  fails where the files of its folder would grow beyond so many bytes; what fits is written
    ["gone"]                the file system is unmounted, as by ``umount -l``
    ["dead"]                its server dies: every later call fails with ENOTCONN

The log (with it the file system answers one call at a time) has one pickled tuple an operation, in their order:

    ("write", FILE, OFFSET, BYTES)  ("truncate", FILE, SIZE)  ("sync", FILE OR FOLDER)  ("mark", TEXT)
    ("link", FOLDER, NAME, FILE, IS A FOLDER)  ("unlink", FOLDER, NAME)  ("rename", FOLDER, NAME, FOLDER, NAME)

with files and folders by number; 1 is the folder at the top. What maps a file into its memory is logged when the kernel
writes it back.
"""

from __future__ import annotations

import array
import ctypes
import errno
import json
import os
import pickle
import re
import resource
import socket
import stat
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

THREADS = 24
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTR = struct.Struct("<6Q10I")
_INIT = struct.Struct("<IIIIHHIIHHIIH22x")
_SETATTR = struct.Struct("<IIQQQQQQIIIIIIII")
_IO = struct.Struct("<QQIIQII")
_STATFS = struct.Struct("<5Q4I24x")
_BIG_WRITES, _MAX_PAGES = 1 << 5, 1 << 22
_MAX_WRITE = 1 << 20
_DIRECT = 1  # FOPEN_DIRECT_IO


class Rule:
    """One rule, and how often it fired."""

    def __init__(self, rule: dict[str, Any]) -> None:
        self.when, self.then = rule.get("when", rule["then"]), rule["then"]
        self.left = self.when.get("nth", 1)
        self.fired = 0

    @staticmethod
    def _fits(part: dict[str, Any], op: str, path: str, data: bytes, reach: int) -> bool:
        if op not in part["ops"] or re.search(part.get("path", ""), path) is None or part.get("at", -1) >= reach:
            return False
        return "head" not in part or part["head"].encode() in data

    def fires(self, op: str, path: str, data: bytes, reach: int) -> bool:
        if self.left and self._fits(self.when, op, path, data, reach):
            self.left -= 1
        times = self.then.get("times")
        spent = times is not None and self.fired >= times
        if self.left or spent or not self._fits(self.then, op, path, data, reach):
            return False
        self.fired += 1
        return True


class Faults:
    """The rules, and what they do to an operation."""

    def __init__(self, mount: str, root: str) -> None:
        self._mount = mount
        self._root = root
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._healed = threading.Event()

    def change(self, rules: list[dict[str, Any]] | None) -> list[int]:
        with self._lock:
            fired = [rule.fired for rule in self._rules]
            if rules is not None:
                self._rules = [Rule(rule) for rule in rules]
                self._healed.set()
                self._healed = threading.Event()
        return fired

    def meet(
        self, op: str, path: str, data: bytes = b"", room: Callable[[], int] = lambda: 0, span: tuple[int, int] = (0, 0)
    ) -> tuple[int, int]:
        """Bytes that a write takes, and the error that it ends with then (0: none). Raises what the operation does.

        *room*: how far the files of its folder would grow by it, in all; *span*: what a read asks for, from and to.
        """
        with self._lock:
            fired = [rule.then["do"] for rule in self._rules if rule.fires(op, path, data, span[1])]
            healed = self._healed
        taken, error = len(data) or span[1] - span[0], 0
        for what, *values in fired:
            match what:
                case "error":
                    raise OSError(values[0], os.strerror(values[0]))
                case "short":
                    taken = min(taken, values[0])
                case "torn":
                    taken, error = min(taken, values[0]), values[1]
                case "direct":
                    taken = _DIRECT
                case "cut":
                    os.truncate(f"{self._root}{path}", values[0])
                case "grow":
                    with open(f"{self._root}{path}", "ab") as file:
                        file.write(b"+" * values[0])
                case "slow":
                    time.sleep(values[0])
                case "hang":
                    healed.wait()
                case "dead":
                    os._exit(1)
                case "gone":
                    unmount(self._mount)
                case "room":
                    over = room() - values[0]
                    if over > 0 and (op != "write" or over >= len(data)):
                        raise OSError(values[1], os.strerror(values[1]))
                    taken -= max(0, over)
        return taken, error


class Folder:
    """The file system: nodes by number, each held open, so that no number comes back for another file."""

    def __init__(self, root: str, faults: Faults, log: str | None) -> None:
        self.faults = faults
        self._log = open(log, "wb") if log else None  # noqa: SIM115 - as long as the process
        self._nodes: dict[int, int] = {}
        self._paths: dict[int, str] = {}
        self._of_inode: dict[int, int] = {}
        self._count = 0
        #: how often the kernel was told of a node; one that it forgets is closed (not with a log: numbers stay)
        self._told: dict[int, int] = {}
        self._lock = threading.Lock()
        self._node(os.open(root, os.O_PATH), "")

    def note(self, *entry: object) -> None:
        if self._log:
            pickle.dump(entry, self._log)
            self._log.flush()

    def _node(self, fd: int, path: str) -> int:
        """The number of an open (O_PATH) file, which is kept or closed."""
        inode = os.fstat(fd).st_ino
        with self._lock:
            if inode in self._of_inode:
                os.close(fd)
            else:
                self._count += 1
                self._of_inode[inode] = self._count
                self._nodes[self._count] = fd
            number = self._of_inode[inode]
            self._paths[number] = path
            self._told[number] = self._told.get(number, 0) + 1
        return number

    def forget(self, node: int, times: int) -> None:
        with self._lock:
            self._told[node] = self._told.get(node, 0) - times
            if self._told[node] <= 0 and node != 1 and node in self._nodes and self._log is None:
                fd = self._nodes.pop(node)
                del self._of_inode[os.fstat(fd).st_ino], self._paths[node], self._told[node]
                os.close(fd)

    def _own(self, node: int) -> str:
        return f"/proc/self/fd/{self._nodes[node]}"

    def _attr(self, node: int) -> bytes:
        s = os.fstat(self._nodes[node])
        whole = [value // 10**9 for value in (s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns)]
        parts = [value % 10**9 for value in (s.st_atime_ns, s.st_mtime_ns, s.st_ctime_ns)]
        rest = (s.st_mode, s.st_nlink, s.st_uid, s.st_gid, s.st_rdev, s.st_blksize, 0)
        return _ATTR.pack(s.st_ino, s.st_size, s.st_blocks, *whole, *parts, *rest)

    def _entry(self, node: int) -> bytes:
        return struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + self._attr(node)

    def _found(self, parent: int, name: str) -> int:
        fd = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=self._nodes[parent])
        return self._node(fd, f"{self._paths[parent]}/{name}")

    def _at(self, parent: int, name: str) -> str:
        return f"{self._paths[parent]}/{name}"

    # ---------------------------------------------------------------- names

    def lookup(self, node: int, body: bytes) -> bytes:
        name = _text(body)
        self.faults.meet("lookup", self._at(node, name))
        return self._entry(self._found(node, name))

    def mkdir(self, node: int, body: bytes) -> bytes:
        name = _text(body[8:])
        self.faults.meet("mkdir", self._at(node, name))
        os.mkdir(name, struct.unpack_from("<I", body)[0] & 0o7777, dir_fd=self._nodes[node])
        made = self._found(node, name)
        self.note("link", node, name, made, True)
        return self._entry(made)

    def unlink(self, node: int, body: bytes) -> bytes:
        name = _text(body)
        self.faults.meet("unlink", self._at(node, name))
        os.unlink(name, dir_fd=self._nodes[node])
        self.note("unlink", node, name)
        return b""

    def rmdir(self, node: int, body: bytes) -> bytes:
        name = _text(body)
        self.faults.meet("rmdir", self._at(node, name))
        os.rmdir(name, dir_fd=self._nodes[node])
        self.note("unlink", node, name)
        return b""

    def symlink(self, node: int, body: bytes) -> bytes:
        name, target = (os.fsdecode(part) for part in body.split(b"\0")[:2])
        os.symlink(target, name, dir_fd=self._nodes[node])
        return self._entry(self._found(node, name))

    def readlink(self, node: int, body: bytes) -> bytes:
        return os.fsencode(os.readlink("", dir_fd=self._nodes[node]))

    def link(self, node: int, body: bytes) -> bytes:
        (old,), name = struct.unpack_from("<Q", body), _text(body[8:])
        self.faults.meet("link", self._at(node, name))
        os.link(self._own(old), name, dst_dir_fd=self._nodes[node], follow_symlinks=True)
        made = self._found(node, name)
        self.note("link", node, name, made, False)
        return self._entry(made)

    def rename(self, node: int, body: bytes, head: int = 8) -> bytes:
        (folder,) = struct.unpack_from("<Q", body)
        old, new = (os.fsdecode(part) for part in body[head:].split(b"\0")[:2])
        self.faults.meet("rename", self._at(folder, new))
        os.rename(old, new, src_dir_fd=self._nodes[node], dst_dir_fd=self._nodes[folder])
        self.forget(self._found(folder, new), 1)
        self.note("rename", node, old, folder, new)
        return b""

    def rename2(self, node: int, body: bytes) -> bytes:
        if struct.unpack_from("<I", body, 8)[0]:
            raise OSError(errno.EINVAL, "")
        return self.rename(node, body, 16)

    # ---------------------------------------------------------------- files

    def getattr(self, node: int, body: bytes) -> bytes:
        self.faults.meet("getattr", self._paths[node])
        return bytes(16) + self._attr(node)

    def setattr(self, node: int, body: bytes) -> bytes:
        valid, _, fh, size, _, atime, mtime, _, ans, mns, _, mode, _, uid, gid, _ = _SETATTR.unpack_from(body)
        if valid & 8:
            self.faults.meet("truncate", self._paths[node])
            os.truncate(fh if valid & 64 else self._own(node), size)
            self.note("truncate", node, size)
        if valid & 1:
            self.faults.meet("chmod", self._paths[node])
            os.chmod(self._own(node), mode & 0o7777)
        if valid & 6:
            os.chown(self._own(node), uid if valid & 2 else -1, gid if valid & 4 else -1)
        if valid & 48:
            now, own = time.time_ns(), os.fstat(self._nodes[node])
            a = now if valid & 128 else atime * 10**9 + ans if valid & 16 else own.st_atime_ns
            m = now if valid & 256 else mtime * 10**9 + mns if valid & 32 else own.st_mtime_ns
            os.utime(self._own(node), ns=(a, m))
        return bytes(16) + self._attr(node)

    def create(self, node: int, body: bytes) -> bytes:
        (_, mode), name = struct.unpack_from("<II", body), _text(body[16:])
        self.faults.meet("create", self._at(node, name))
        fh = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, mode & 0o7777, dir_fd=self._nodes[node])
        made = self._found(node, name)
        self.note("link", node, name, made, False)
        return self._entry(made) + struct.pack("<QII", fh, 0, 0)

    def tmpfile(self, node: int, body: bytes) -> bytes:
        _, mode = struct.unpack_from("<II", body)
        self.faults.meet("create", self._at(node, "(nameless)"))
        fh = os.open(".", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC, mode & 0o7777, dir_fd=self._nodes[node])
        made = self._node(os.open(f"/proc/self/fd/{fh}", os.O_PATH), self._at(node, "(nameless)"))
        return self._entry(made) + struct.pack("<QII", fh, 0, 0)

    def open(self, node: int, body: bytes) -> bytes:
        (flags,) = struct.unpack_from("<I", body)
        how, _ = self.faults.meet("open", self._paths[node])
        mode = os.O_RDWR if flags & (os.O_WRONLY | os.O_RDWR) else os.O_RDONLY
        return struct.pack("<QII", os.open(self._own(node), mode | os.O_CLOEXEC), how, 0)

    def release(self, node: int, body: bytes) -> bytes:
        os.close(struct.unpack_from("<Q", body)[0])
        return b""

    def read(self, node: int, body: bytes) -> bytes:
        fh, offset, size, *_ = _IO.unpack_from(body)
        taken, _ = self.faults.meet("read", self._paths[node], span=(offset, offset + size))
        return os.pread(fh, taken, offset)

    def write(self, node: int, body: bytes) -> bytes:
        fh, offset, *_ = _IO.unpack_from(body)
        data = body[_IO.size :]
        taken, error = self.faults.meet("write", self._paths[node], data, lambda: self._room(node, offset + len(data)))
        if taken:
            os.pwrite(fh, data[:taken], offset)
            self.note("write", node, offset, data[:taken])
        if error:
            raise OSError(error, os.strerror(error))
        return struct.pack("<II", taken, 0)

    def fallocate(self, node: int, body: bytes) -> bytes:
        fh, offset, size, mode = struct.unpack_from("<QQQI", body)
        self.faults.meet("fallocate", self._paths[node], b"", lambda: self._room(node, offset + size))
        call = ctypes.CDLL(None, use_errno=True).fallocate
        call.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
        if call(fh, mode, offset, size):
            raise OSError(ctypes.get_errno(), "")
        return b""

    def _room(self, node: int, end: int) -> int:
        """Bytes that the files of the node's folder would take, this one reaching to *end*."""
        folder = os.path.dirname(self._paths[node])
        (number,) = [n for n, path in self._paths.items() if path == folder and n != node][:1] or [1]
        own = os.fstat(self._nodes[node])
        names = os.listdir(self._own(number))
        files = {s.st_ino: s.st_blocks for s in (os.lstat(f"{self._own(number)}/{name}") for name in names)}
        files[own.st_ino] = max(own.st_blocks, -(-end // 512))
        return 512 * sum(files.values())

    def fsync(self, node: int, body: bytes) -> bytes:
        self.faults.meet("fsync", self._paths[node])
        self.note("sync", node)
        return b""

    def fsyncdir(self, node: int, body: bytes) -> bytes:
        self.faults.meet("fsyncdir", self._paths[node])
        self.note("sync", node)
        return b""

    def flush(self, node: int, body: bytes) -> bytes:
        self.faults.meet("close", self._paths[node])
        return b""

    # ---------------------------------------------------------------- folders, the whole

    def opendir(self, node: int, body: bytes) -> bytes:
        self.faults.meet("opendir", self._paths[node])
        return bytes(16)

    def releasedir(self, node: int, body: bytes) -> bytes:
        return b""

    def readdir(self, node: int, body: bytes) -> bytes:
        _, offset, size, *_ = _IO.unpack_from(body)
        self.faults.meet("readdir", self._paths[node])
        out = b""
        for number, name in enumerate([".", "..", *sorted(os.listdir(self._own(node)))], 1):
            raw = os.fsencode(name)
            entry = (struct.pack("<QQII", number, number, len(raw), 0) + raw).ljust(24 + len(raw) + 7 & -8, b"\0")
            if number <= offset:
                continue
            if len(out) + len(entry) > size:
                break
            out += entry
        return out

    def statfs(self, node: int, body: bytes) -> bytes:
        self.faults.meet("statfs", self._paths[node])
        s = os.statvfs(self._own(node))
        # Little enough that whoever writes keeps room ahead.
        little = (64 << 20) // s.f_frsize
        return _STATFS.pack(s.f_blocks, s.f_bfree, little, s.f_files, s.f_ffree, s.f_bsize, s.f_namemax, s.f_frsize, 0)

    def init(self, node: int, body: bytes) -> bytes:
        *_, readahead, _flags = struct.unpack_from("<IIII", body)
        return _INIT.pack(7, 31, readahead, _BIG_WRITES | _MAX_PAGES, 16, 12, _MAX_WRITE, 1, 256, 0, 0, 0, 0)


def _text(raw: bytes) -> str:
    return os.fsdecode(raw.partition(b"\0")[0])


_OPERATIONS = {
    1: "lookup", 3: "getattr", 4: "setattr", 5: "readlink", 6: "symlink", 9: "mkdir", 10: "unlink", 11: "rmdir",
    12: "rename", 13: "link", 14: "open", 15: "read", 16: "write", 17: "statfs", 18: "release", 20: "fsync",
    25: "flush", 26: "init", 27: "opendir", 28: "readdir", 29: "releasedir", 30: "fsyncdir", 35: "create",
    43: "fallocate", 45: "rename2", 51: "tmpfile",
}  # fmt: skip
_NO_ANSWER = {2, 36, 42}


def serve(fuse: int, folder: Folder) -> None:
    """Answer calls until the file system is unmounted."""
    while True:
        try:
            call = os.read(fuse, _MAX_WRITE + 4096)
        except OSError as error:
            if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                continue
            return
        _, opcode, unique, node, *_ = _IN.unpack_from(call)
        if opcode in _NO_ANSWER:
            if opcode == 2:
                folder.forget(node, struct.unpack_from("<Q", call, _IN.size)[0])
            elif opcode == 42:
                for at in range(_IN.size + 8, _IN.size + 8 + 16 * struct.unpack_from("<I", call, _IN.size)[0], 16):
                    folder.forget(*struct.unpack_from("<QQ", call, at))
            continue
        failure, answer = 0, b""
        try:
            name = _OPERATIONS.get(opcode)
            if name is None:
                raise OSError(errno.ENOSYS, "")
            answer = getattr(folder, name)(node, call[_IN.size :])
        except OSError as error:
            failure, answer = error.errno or errno.EIO, b""
        try:
            os.write(fuse, _OUT.pack(_OUT.size + len(answer), -failure, unique) + answer)
        except OSError as error:
            if error.errno != errno.ENOENT:  # else: nobody waits for the answer any more
                return


def mount(where: str) -> int:
    """Mount at *where*; the descriptor of the kernel's end."""
    if os.geteuid() == 0:
        fuse = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={fuse},rootmode={stat.S_IFDIR:o},user_id=0,group_id=0"
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(b"faulty", os.fsencode(where), b"fuse.faulty", 6, options.encode()):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return fuse
    ours, theirs = socket.socketpair()
    helper = "fusermount3" if any(os.access(f"{p}/fusermount3", os.X_OK) for p in os.get_exec_path()) else "fusermount"
    subprocess.run(
        [helper, "-o", "fsname=faulty", "--", where],
        pass_fds=[theirs.fileno()], env={**os.environ, "_FUSE_COMMFD": str(theirs.fileno())}, check=True,
    )  # fmt: skip
    _, parts, *_ = ours.recvmsg(1, socket.CMSG_LEN(4))
    return array.array("i", parts[0][2][:4])[0]


def unmount(where: str) -> None:
    """Take it out of the tree; who holds a file of it keeps it."""
    how = ["umount", "-l"] if os.geteuid() == 0 else ["fusermount", "-uz"]
    subprocess.run([*how, where], capture_output=True)


def main() -> None:
    root, where, *log = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    faults = Faults(where, root)
    folder = Folder(root, faults, log[0] if log else None)
    try:
        fuse = mount(where)
    except (OSError, subprocess.CalledProcessError) as error:
        print(json.dumps({"refused": str(error)}), flush=True)
        return
    for _ in range(1 if log else THREADS):
        threading.Thread(target=serve, args=[fuse, folder], daemon=True).start()
    print(json.dumps({"mounted": where}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        fired = faults.change(order.get("rules"))
        if "mark" in order:
            folder.note("mark", order["mark"])
        print(json.dumps(fired), flush=True)
    unmount(where)
    os._exit(0)  # what hangs is let go by the kernel


if __name__ == "__main__":
    main()
