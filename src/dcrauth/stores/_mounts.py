"""Which kind of file system a directory is on; only Linux says so in a file."""

import os

MOUNTS = "/proc/self/mountinfo"

NETWORK = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fuse.glusterfs", "fuse.sshfs", "glusterfs", "lustre", "ncpfs", "nfs"}
    | {"nfs4", "smb3", "smbfs"}
)
"""File systems whose locks need not exclude processes of other hosts."""


def network_filesystem(path: str) -> str | None:
    """Return the type of the file system that *path* is on, or will be when it is made, if it is one of `NETWORK`."""
    while not os.path.exists(path):
        path = os.path.dirname(path)
    kind = filesystem(path)
    return kind if kind in NETWORK else None


def filesystem(path: str) -> str | None:
    """Return the type of the file system that *path* is on (proc(5): mountinfo), or None where that cannot be told."""
    try:
        device = os.stat(path).st_dev
        with open(MOUNTS, encoding="utf-8", errors="replace") as mounts:
            return _of_device(f"{os.major(device)}:{os.minor(device)}", mounts.read())
    except OSError:
        return None


def _of_device(number: str, mounts: str) -> str | None:
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2:3] == [number] and rest:
            return rest.split()[0]
    return None
