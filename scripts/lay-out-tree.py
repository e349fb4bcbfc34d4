#!/usr/bin/env python3
"""Lays a recorded tree out below a folder, so that `vitalsign check --root FOLDER` can read it.

  scripts/lay-out-tree.py platform/linux/tests/trees/disk-plain.tree FOLDER

A line is one entry; others are comments:
  /path -> target     a symbolic link
  /path = text        a file with this line
  /path += line       one more line of a file
  /path <- name       a copy of a file beside the tree
  /path/              a folder
"""
import os
import shutil
import sys


def lay_out(tree, root):
    for number, line in enumerate(open(tree, encoding="utf-8"), 1):
        line = line.rstrip("\n")
        if not line.startswith("/"):
            continue

        def place(path):
            path = os.path.normpath(os.path.join(root, path.lstrip("/")))
            if os.path.commonpath([root, path]) != root:
                sys.exit(f"{tree}:{number}: {path} is not below {root}")
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return path

        if " -> " in line:
            path, target = line.split(" -> ", 1)
            os.symlink(target, place(path))
        elif " <- " in line:
            path, name = line.split(" <- ", 1)
            shutil.copy(os.path.join(os.path.dirname(tree), name), place(path))
        elif " += " in line:
            path, text = line.split(" += ", 1)
            with open(place(path), "a", encoding="utf-8") as file:
                file.write(text + "\n")
        elif " =" in line:
            path, text = line.split(" =", 1)
            with open(place(path), "w", encoding="utf-8") as file:
                file.write(text.lstrip() + "\n")
        elif line.endswith("/"):
            os.makedirs(place(line.rstrip("/")), exist_ok=True)
        else:
            sys.exit(f"{tree}:{number}: no kind of entry: {line}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        sys.exit(2)
    lay_out(sys.argv[1], os.path.realpath(sys.argv[2]))
