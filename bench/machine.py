"""What /proc says: about this machine, about processes, and about what others do meanwhile."""
import os
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


def _read(path):
    try:
        with open(path) as file:
            return file.read()
    except OSError:
        return ""


def _lines(path, key):
    return [line.split(":", 1)[1].strip() for line in _read(path).splitlines() if line.startswith(key)]


def describe(folder):
    """Machine and disk, for the head of a report."""
    model = (_lines("/proc/cpuinfo", "model name") or ["unknown processor"])[0]
    memory = int((_lines("/proc/meminfo", "MemTotal") or ["0 kB"])[0].split()[0]) // 1024
    return {"processor": model, "cores": os.cpu_count(), "memory_mib": memory,
            "kernel": os.uname().release, "disk": file_system(folder)}


def file_system(folder):
    best = ("", "unknown")
    for line in _read("/proc/self/mounts").splitlines():
        _, point, kind = line.split()[:3]
        under = os.path.realpath(folder).startswith(point.rstrip("/") + "/")
        if under and len(point) >= len(best[0]):
            best = (point, kind)
    return best[1]


def _stat(pid):
    """Fields of /proc/PID/stat after the command's name, which may hold anything."""
    text = _read("/proc/%d/stat" % pid)
    return text.rpartition(")")[2].split() if text else None


def tree(pid):
    """The process and its descendants."""
    found, at = [pid], 0
    while at < len(found):
        try:
            threads = os.listdir("/proc/%d/task" % found[at])
        except OSError:
            threads = []
        for thread in threads:
            found += map(int, _read("/proc/%d/task/%s/children" % (found[at], thread)).split())
        at += 1
    return found


def started(pid):
    """When the process began, none if it is gone: tells it from a later one with the same number."""
    fields = _stat(pid)
    return fields[19] if fields and fields[0] != "Z" else None


def cpu_seconds(pid):
    """Time of the process, its children and those children it has waited for."""
    total = 0.0
    for process in tree(pid):
        fields = _stat(process)
        if fields:
            total += own_seconds(process, fields) + sum(map(int, fields[13:15])) / TICK
    return total


def own_seconds(pid, fields):
    """Time of one process: from its clock, since many short processes get lost between the ticks of `stat`."""
    try:
        return time.clock_gettime(~pid << 3 | 2)  # The kernel's number for a process's clock, see clock_getcpuclockid.
    except OSError:
        return sum(map(int, fields[11:13])) / TICK


def memory_mib(pid, key):
    """VmHWM (peak) or VmRSS of the process and its children, in MiB."""
    values = [line for p in tree(pid) for line in _lines("/proc/%d/status" % p, key)]
    return sum(int(value.split()[0]) for value in values) / 1024


def disk_bytes(folder):
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except OSError:
                pass  # A server removed it meanwhile.
    return total


def _kernel_threads():
    """Kernel threads work for whoever writes and sends, mostly us: they are not noise."""
    total = 0
    for name in os.listdir("/proc"):
        fields = _stat(int(name)) if name.isdigit() else None
        if fields and (fields[1] == "2" or name == "2"):
            total += int(fields[11]) + int(fields[12])
    return total / TICK


class Noise:
    """Cores that processes other than the bench and what it started have used since this was made."""

    def __init__(self):
        self.began, self.others = time.monotonic(), self._others()

    @staticmethod
    def _others():
        user, nice, system = map(int, _read("/proc/stat").split()[1:4])
        return (user + nice + system) / TICK - cpu_seconds(os.getpid()) - _kernel_threads()

    def cores(self):
        seconds = time.monotonic() - self.began
        return max(0.0, (self._others() - self.others) / seconds) if seconds > 0 else 0.0


def wait_for_quiet(limit, cores=0.25):
    """Waits until others use less than `cores`, at most `limit` seconds, and lets the disk come to rest."""
    os.sync()
    end = time.monotonic() + limit
    while time.monotonic() < end:
        noise = Noise()
        time.sleep(0.25)
        if noise.cores() < cores:
            return


def first_line(command):
    """The first line a command prints, empty if there is no such command."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return ((done.stdout or done.stderr).splitlines() or [""])[0].strip()
