"""The database server and the object store that an archive of the bench stands on, run by the program `fixtures`."""
import glob
import json
import os
import subprocess
import urllib.parse

import machine


class Service:
    """A service that ends with this process; a line to it is an order."""

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen([program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.said = self.process.stdout.readline().strip()
        if not self.said:
            raise RuntimeError("%s did not start" % arguments[0])

    def order(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(30)


class Postgres(Service):
    """PostgreSQL as it runs in a hospital: what it commits is synced."""

    def __init__(self, program):
        super().__init__(program, "postgres", "--durable")

    def settings(self):
        """What names a new database to an archive."""
        return {"PACS_DATABASE__URL": self.order("database")}

    def cpu(self, settings):
        """Seconds of processor of the server of `settings` and all its processes, ended ones too."""
        host = urllib.parse.unquote(urllib.parse.urlsplit(settings["PACS_DATABASE__URL"]).netloc.split("@")[1])
        with open(os.path.join(host, "data", "postmaster.pid")) as file:
            return machine.cpu_seconds(int(file.readline()))

    @staticmethod
    def version():
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        return machine.first_line([found[-1] if found else "postgres", "--version"])


class Bucket(Service):
    """An object store in memory with the interface of S3."""

    def __init__(self, program):
        super().__init__(program, "bucket")
        self.reach = json.loads(self.said)
        self.prefixes = 0

    def settings(self, ack):
        """What names an empty place in the bucket to an archive that keeps no packs on its own disk."""
        self.prefixes += 1
        return {
            "PACS_STORE__URL": "s3://%s/bench-%d" % (self.reach["bucket"], self.prefixes), "PACS_STORE__ACK": ack,
            "PACS_STORE__S3__ENDPOINT": self.reach["endpoint"], "PACS_STORE__S3__REGION": "garage",
            "PACS_STORE__S3__ACCESS_KEY_ID": self.reach["access_key_id"],
            "PACS_STORE__S3__SECRET_ACCESS_KEY": self.reach["secret_access_key"],
            "PACS_STORE__S3__ALLOW_HTTP": "true", "PACS_STORE__CACHE_BYTES": "0",
            "PACS_STORE__SEAL_IDLE_SECONDS": "1",
        }
