"""Disks of a test's own: one so small that it can be filled, one that goes read-only in use, one that answers EIO."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk_at(place: Path, size: str) -> Iterator[Path]:
    """Mount one, `size` as of mount's option; skip the test where nobody may."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system of its own needs the right to mount (root)")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, mode: str) -> None:
    """Let a disk be written no more (`ro`) or again (`rw`); only while no file of it is open for writing.

    Raises:
        subprocess.CalledProcessError: one is.
    """
    subprocess.run(["mount", "-o", f"remount,{mode}", str(place)], check=True, capture_output=True)


class RealDisk:
    """An ext4 file system in a file, mounted: it goes read-only under open files, as a real one does by an error."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._image = place.with_suffix(".img")

    def mount(self) -> None:
        """Mount it; skip the test where nobody may."""
        if subprocess.run(["mount", "-o", "loop", str(self._image), str(self.place)], capture_output=True).returncode:
            pytest.skip("an ext4 file system in a file needs the right to mount, and loop devices (root)")

    def make(self, size: int) -> None:
        """Make it, `size` [bytes]."""
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("mkfs.ext4 is not installed (e2fsprogs)")
        with self._image.open("wb") as file:
            file.truncate(size)
        subprocess.run(["mkfs.ext4", "-q", str(self._image)], check=True)
        self.place.mkdir()
        self.mount()

    def fail(self) -> None:
        """Let ext4 do what it does behind an error of its journal: nothing is written any more, open files included."""
        subprocess.run(["mount", "-o", "remount,abort", str(self.place)], check=True)

    def replace(self) -> None:
        """Mount it anew, as whoever has repaired it does: a copy, since what is open stays with the failed one."""
        self.unmount()
        copy = self._image.with_suffix(".repaired")
        shutil.copyfile(self._image, copy)
        self._image = copy
        subprocess.run(["fsck.ext4", "-p", str(self._image)], capture_output=True, check=False)
        self.mount()

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.place)], check=True)


@contextmanager
def real_disk_at(place: Path, size: int = 16 << 20) -> Iterator[RealDisk]:
    """Make and mount one."""
    disk = RealDisk(place)
    disk.make(size)
    try:
        yield disk
    finally:
        disk.unmount()


_LAYER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* While the file $FAIL_WHILE is there, files under $FAIL_UNDER take half of a block, then none, and sync nothing. */
static int fails(int file) {
    const char *under = getenv("FAIL_UNDER"), *when = getenv("FAIL_WHILE");
    char link[64], path[4096];
    if (!under || !when || access(when, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return strncmp(path, under, strlen(under)) == 0;
}
static int refuse(void) { errno = EIO; return -1; }
#define REAL(name, type) static type real; if (!real) real = (type)dlsym(RTLD_NEXT, name)
typedef ssize_t (*pwrite_type)(int, const void *, size_t, off_t);
typedef int (*sync_type)(int);
static int half;
ssize_t pwrite64(int file, const void *data, size_t count, off_t at) {
    REAL("pwrite64", pwrite_type);
    if (!fails(file)) return real(file, data, count, at);
    half = !half;
    return half && count > 1 ? real(file, data, count / 2, at) : refuse();
}
ssize_t pwrite(int file, const void *data, size_t count, off_t at) { return pwrite64(file, data, count, at); }
int fdatasync(int file) { REAL("fdatasync", sync_type); return fails(file) ? refuse() : real(file); }
int fsync(int file) { REAL("fsync", sync_type); return fails(file) ? refuse() : real(file); }
"""


class FailingLayer:
    """A library between a process and its disk that answers EIO in the middle of writes; for processes that begin now.

    Attributes:
        environment: of those processes.
    """

    def __init__(self, place: Path, under: Path) -> None:
        """Build it; skip the test where there is no compiler. `under`: what fails."""
        if shutil.which("gcc") is None:
            pytest.skip("gcc is not installed: no layer that fails")
        place.mkdir()
        (place / "layer.c").write_text(_LAYER, encoding="ascii")
        library = place / "layer.so"
        subprocess.run(
            ["gcc", "-shared", "-fPIC", "-O1", "-o", str(library), str(place / "layer.c"), "-ldl"], check=True
        )
        self._when = place / "fail"
        self.environment = {"LD_PRELOAD": str(library), "FAIL_UNDER": str(under), "FAIL_WHILE": str(self._when)}

    def fail(self) -> None:
        self._when.touch()

    def replace(self) -> None:
        self._when.unlink()
