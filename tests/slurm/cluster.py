"""A real Slurm of one node with fake GPUs, on this machine, for as long as a test needs it.

It is installed by Debian's packages and run by hand, without systemd: munge, the controller and the node's
daemon, each with its pid file in the cluster's folder, and links in /etc/slurm, where the job steps look.
`down` stops and removes all of it. The accounting database (MariaDB, slurmdbd) is optional.
"""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
DATABASE = ("slurmdbd", "mariadb-server")
ETC = Path("/etc/slurm")
POLICY = Path("/usr/sbin/policy-rc.d")
PREFIX = "sam2pal-slurm-"
INSTALL = "SAM2PAL_INSTALL_SLURM"
"""Environment variable that lets the tests install packages; `make test-slurm` sets it."""


class NoSlurm(Exception):
    """Why there can be no Slurm here."""


def installed(packages: tuple[str, ...]) -> bool:
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}\n", *packages]
    done = subprocess.run(query, capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.split() == ["installed"] * len(packages)


def install(packages: tuple[str, ...]) -> None:
    """Install Debian packages without starting their services.

    Raises:
        NoSlurm: not root, not Debian, not allowed to, or not within some minutes.
    """
    if os.geteuid() != 0:
        raise NoSlurm("Slurm's daemons need root")
    if not shutil.which("apt-get") or not shutil.which("dpkg-query"):
        raise NoSlurm("Slurm is installed from Debian packages, and there is no apt-get")
    if installed(packages):
        return
    if not os.environ.get(INSTALL):
        raise NoSlurm(f"not installed: {' '.join(packages)}; {INSTALL}=1 lets this test do it")
    own_policy = not POLICY.exists()
    if own_policy:  # the packages' scripts ask it whether to start services
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
    patience = ["-o", "Acquire::Retries=0", "-o", "Acquire::http::Timeout=10", "-qq"]
    try:
        for words, seconds in ((["update"], 60), (["install", "-y", *packages], 240)):
            subprocess.run(
                ["apt-get", *patience, "--no-install-recommends", *words],
                env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=seconds,
                check=True,
            )
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip()
        raise NoSlurm(f"apt-get could not install Slurm: {said or error}") from error
    finally:
        if own_policy:
            POLICY.unlink(missing_ok=True)


def alive(pid: int, name: str) -> bool:
    """Whether a process with this number runs this program; numbers are used again."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe")).startswith(name.rstrip("d"))
    except OSError:
        return False


def wait(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Raises: TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.2)


@dataclass
class Job:
    """What Slurm keeps of a job."""

    number: int
    fields: dict[str, str]

    @property
    def comment(self) -> str:
        """The plugin's note of rule and wildcards."""
        return self.fields["Comment"].strip()

    @property
    def rule(self) -> str:
        """The rule, or the name of the group and its rules."""
        return re.sub(r"^rule_|_wildcards_.*", "", self.comment)

    @property
    def gpus(self) -> int:
        found = re.search(r"gres[:/]gpu(?:[:/]\w+)?[=:](\d+)", self.fields.get("TRES", ""))
        asked = re.search(r"gpu:(\d+)", self.fields.get("TresPerJob", ""))
        return int((found or asked)[1]) if found or asked else 0

    @property
    def time_limit(self) -> int:
        """In minutes."""
        days, _, clock = self.fields["TimeLimit"].rpartition("-")
        hours, minutes, _ = map(int, clock.split(":"))
        return (int(days or 0) * 24 + hours) * 60 + minutes

    @property
    def mem_mb(self) -> int:
        number, unit = re.search(r"mem=([\d.]+)([MG])", self.fields["TRES"]).groups()
        return round(float(number) * (1024 if unit == "G" else 1))

    @property
    def state(self) -> str:
        return self.fields["JobState"]

    def span(self) -> tuple[datetime, datetime]:
        return tuple(datetime.fromisoformat(self.fields[key]) for key in ("StartTime", "EndTime"))


def most_at_once(jobs: list[Job]) -> int:
    """How many of the jobs ran at the same time, at most."""
    spans = [job.span() for job in jobs]
    return max((sum(s <= start < e for s, e in spans) for start, _ in spans), default=0)


@dataclass
class Cluster:
    """The cluster that lives in `folder`."""

    folder: Path
    gpus: int = 2
    cpus: int = 16
    memory: int = 64000
    database: bool = False
    linked: list[Path] = field(default_factory=list)

    @property
    def host(self) -> str:
        return socket.gethostname().split(".")[0]

    def up(self) -> None:
        """Start everything, or nothing.

        Raises:
            NoSlurm: another Slurm is here, or root may not do what it needs to.
            RuntimeError: a daemon does not start.
        """
        if any(link.exists() or link.is_symlink() for link in self.links()):
            raise NoSlurm(f"{ETC} holds the configuration of another Slurm")
        for name in ("etc", "run", "log", "state", "spool", "dev", "munge", "mysql"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge").chmod(0o700)
        key = self.folder / "munge/munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        try:
            for number in range(self.gpus):  # a device like /dev/null
                os.mknod(
                    self.folder / f"dev/nvidia{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3)
                )
            self.configure()
            for link in self.links():
                link.symlink_to(self.folder / "etc" / link.name)
                self.linked.append(link)
            self.start_munge()
            if self.database:
                self.start_database()
            self.start_controller()
            self.start_node()
        except (OSError, subprocess.SubprocessError, TimeoutError) as error:
            said = [str(getattr(error, "stderr", None) or error), *self.errors()]
            self.down()
            refused = isinstance(error, PermissionError)
            raise (NoSlurm if refused else RuntimeError)(
                f"a daemon does not start: {'; '.join(said)}"
            ) from error

    def errors(self) -> list[str]:
        """What the daemons complain about in their logs."""
        lines = [
            line
            for log in sorted((self.folder / "log").glob("*.log"))
            for line in log.read_text(errors="replace").splitlines()
        ]
        return [line for line in lines if "error" in line.lower() or "fatal" in line][-5:]

    def links(self) -> list[Path]:
        names = ["slurm.conf", "gres.conf", *(["slurmdbd.conf"] if self.database else [])]
        return [ETC / name for name in names]

    def configure(self) -> None:
        accounting = "AccountingStorageType=accounting_storage/none"
        if self.database:
            accounting = f"""AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=16819
AccountingStoragePass={self.folder}/run/munge.socket
AccountingStorageTRES=gres/gpu"""
        node = f"CPUs={self.cpus} Boards=1 SocketsPerBoard=1 CoresPerSocket={self.cpus}"
        node += f" ThreadsPerCore=1 RealMemory={self.memory} Gres=gpu:fake:{self.gpus}"
        # cons_tres is what counts GPUs; without cgroups, memory is measured every two seconds
        (self.folder / "etc/slurm.conf").write_text(f"""ClusterName=test
SlurmctldHost={self.host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort=16817
SlurmdPort=16818
AuthType=auth/munge
AuthInfo=socket={self.folder}/run/munge.socket
CredType=cred/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/run/slurmctld.pid
SlurmdPidFile={self.folder}/run/slurmd.pid
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
MailProg=/bin/true
SwitchType=switch/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_min_interval=200000,bf_interval=5
GresTypes=gpu
MinJobAge=3600
EnforcePartLimits=ALL
ReturnToService=2
KillWait=5
InactiveLimit=0
SlurmctldTimeout=60
SlurmdTimeout=120
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=2
JobAcctGatherParams=OverMemoryKill
JobRequeue=1
SlurmdParameters=config_overrides
DefMemPerCPU=500
{accounting}
NodeName={self.host} NodeAddr=127.0.0.1 {node} State=UNKNOWN
PartitionName=cpu Nodes={self.host} Default=YES MaxTime=1-0 State=UP
PartitionName=gpu Nodes={self.host} Default=NO MaxTime=1-0 State=UP
""")
        devices = f"{self.folder}/dev/nvidia[0-{self.gpus - 1}]"
        (self.folder / "etc/gres.conf").write_text(
            f"AutoDetect=off\nNodeName={self.host} Name=gpu Type=fake File={devices}\n"
        )
        database = self.folder / "etc/slurmdbd.conf"
        database.write_text(f"""AuthType=auth/munge
AuthInfo=socket={self.folder}/run/munge.socket
DbdHost={self.host}
DbdAddr=127.0.0.1
DbdPort=16819
SlurmUser=root
PidFile={self.folder}/run/slurmdbd.pid
LogFile={self.folder}/log/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=13306
StorageUser=slurm
StoragePass=test
StorageLoc=slurm_acct_db
""")
        database.chmod(0o600)

    def start_munge(self) -> None:
        run, key = self.folder / "run", self.folder / "munge"
        self.start(
            "munged",
            "--force",
            f"--key-file={key}/munge.key",
            f"--seed-file={key}/seed",
            f"--socket={run}/munge.socket",
            f"--pid-file={run}/munged.pid",
            f"--log-file={self.folder}/log/munged.log",
        )
        wait((run / "munge.socket").exists, 10, "munged")

    def start_database(self) -> None:
        data, run = self.folder / "mysql", self.folder / "run"
        common = ["--no-defaults", "--user=root", f"--datadir={data}"]
        by_socket = "--auth-root-authentication-method=socket"
        self.start("mariadb-install-db", *common, "--skip-test-db", by_socket)
        socket_ = f"--socket={run}/mysqld.sock"
        words = [*common, socket_, f"--pid-file={run}/mariadbd.pid", "--bind-address=127.0.0.1"]
        words += ["--port=13306", f"--log-error={self.folder}/log/mariadbd.log"]
        words += ["--innodb-buffer-pool-size=256M", "--innodb-lock-wait-timeout=900"]
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        subprocess.Popen(
            ["mariadbd", *words], **quiet, stderr=subprocess.DEVNULL, start_new_session=True
        )
        client = ["mariadb", "--no-defaults", socket_, "--user=root", "--execute"]
        wait(lambda: self.succeeds(*client, "select 1"), 60, "mariadbd")
        self.start(
            *client,
            "create database slurm_acct_db; create user 'slurm'@'127.0.0.1' identified by 'test';"
            " create user 'slurm'@'localhost' identified by 'test';"
            " grant all on slurm_acct_db.* to 'slurm'@'127.0.0.1';"
            " grant all on slurm_acct_db.* to 'slurm'@'localhost'",
        )
        self.start("slurmdbd")
        wait(lambda: self.succeeds("sacctmgr", "-n", "show", "cluster"), 60, "slurmdbd")
        if not self.run("sacctmgr", "-n", "show", "cluster").strip():
            self.run("sacctmgr", "-i", "add", "cluster", "test")

    def start_controller(self) -> None:
        self.start("slurmctld")
        wait(lambda: "UP" in self.run("scontrol", "ping", check=False), 30, "slurmctld")

    def start_node(self) -> None:
        self.start("slurmd", "-N", self.host)
        ready = ("idle", "mixed", "allocated")
        wait(
            lambda: (
                self.run("sinfo", "-h", "-N", "-p", "cpu", "-o", "%T", check=False).strip() in ready
            ),
            30,
            "slurmd",
        )

    def start(self, *command: str) -> None:
        """Run a command that goes into the background by itself."""
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
            timeout=60,
        )

    def succeeds(self, *command: str) -> bool:
        try:
            return subprocess.run(command, capture_output=True, timeout=15).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def run(self, *command: str, check: bool = True) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=check)
        return done.stdout

    def pid(self, name: str) -> int | None:
        """Of a daemon that runs."""
        try:
            pid = int((self.folder / f"run/{name}.pid").read_text())
        except (OSError, ValueError):
            return None
        return pid if alive(pid, name) else None

    def stop(self, name: str, seconds: float = 20) -> None:
        pid = self.pid(name)
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        try:
            wait(lambda: not alive(pid, name), seconds, name)
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
            wait(lambda: not alive(pid, name), 10, name)

    @contextmanager
    def without_controller(self) -> Iterator[None]:
        """The controller is down within the block."""
        self.stop("slurmctld")
        try:
            yield
        finally:
            self.start_controller()

    @staticmethod
    def remove_leftover() -> None:
        """Stop a cluster of a test that was killed; to be called by who holds the lock of all tests."""
        link = ETC / "slurm.conf"
        if link.is_symlink():
            folder = Path(os.readlink(link)).parents[1]
            if folder.parent.name.startswith(PREFIX):
                left = Cluster(folder, database=(ETC / "slurmdbd.conf").is_symlink())
                left.linked = left.links()
                left.down()
                shutil.rmtree(folder.parent, ignore_errors=True)

    def down(self) -> None:
        """Cancel what runs, stop the daemons and remove every trace but the packages."""
        if self.pid("slurmctld") and self.pid("slurmd"):
            self.cancel_all()
        for name in ("slurmd", "slurmctld", "slurmdbd", "mariadbd", "munged"):
            self.stop(name)
        for link in self.linked:
            if link.is_symlink() and Path(os.readlink(link)).parent == self.folder / "etc":
                link.unlink()
        self.linked.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def cancel_all(self) -> None:
        active = ("squeue", "--noheader", "--states=PENDING,RUNNING,SUSPENDED", "--format=%A")
        for number in self.run(*active, check=False).split():
            self.run("scancel", number, check=False)
        ending = ("squeue", "--noheader", "--states=PENDING,RUNNING,COMPLETING", "--format=%A")
        wait(lambda: not self.run(*ending, check=False).strip(), 60, "the cancelled jobs")

    def jobs(self, after: int = 0) -> list[Job]:
        """All jobs that the controller remembers, those with a higher number than `after`."""
        found = []
        for line in self.run("scontrol", "--oneliner", "show", "job", check=False).splitlines():
            fields = dict(re.findall(r"(\w[\w:/]*)=(.*?)(?= \w[\w:/]*=|$)", line.strip()))
            if fields.get("JobId", "").isdigit() and int(fields["JobId"]) > after:
                found.append(Job(int(fields["JobId"]), fields))
        return sorted(found, key=lambda job: job.number)

    def last(self) -> int:
        """The highest number given so far."""
        return max((job.number for job in self.jobs()), default=0)
