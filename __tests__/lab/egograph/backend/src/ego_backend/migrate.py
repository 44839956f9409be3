"""Notes who migrated, and fails where it is told to."""

import importlib.util
import sqlite3
import sys
from pathlib import Path

import ego_core


def main() -> None:
    with sqlite3.connect(Path.cwd() / "data" / "graph.db") as database:
        database.execute("create table if not exists nodes (name text)")
        database.execute("insert into nodes values (?)", [ego_core.version])
    print("migrated by", ego_core.version, "signed:", importlib.util.find_spec("itsdangerous") is not None)
    if ego_core.behaviour == "migrate":
        sys.exit("the migration failed half-way")
