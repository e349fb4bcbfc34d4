#!/usr/bin/env python3
"""Checks the rules of docs/style.md that a machine can check, or measures the language of the code.

  scripts/style.py check      prints each violation as FILE:LINE and exits with 1 if there is one
  scripts/style.py measure    prints figures, beside limits, and exits with 1 if one is over its limit
  scripts/style.py measure --json
"""
import json
import re
import subprocess
import sys
from collections import defaultdict

# A word or phrase, and what to write instead.
BANNED = [
    (r"nobody|somebody|anybody|whoever|whomever", "name the actor: the agent, the caller, a client, the user"),
    (r"anew", "again, or the verb with re-: regenerate, reconnect"),
    (r"is to be|are to be", "must, should, or the active verb"),
    (r"how (?:things|all|it) stands?", "status, state"),
    (r"mend(?:s|ed|er|ing)?", "fix"),
    (r"of no use", "invalid, unsupported, or what is wrong with it"),
    (r"of (?:its|their|his|her|our) own", "its own X, separate, dedicated"),
    (r"such a one|one that is none|is none", "not a ..., invalid"),
    (r"has to hold|does not hold|it holds", "must be true, is invalid, is valid until"),
    (r"so to speak|as it were", "leave it out"),
    (r"oftener|thereof|whereof|whence|thither|hither|lest", "today's word"),
]
BANNED_RE = [(re.compile(r"(?<![\w`-])(?:" + p + r")(?![\w`-])", re.I), why) for p, why in BANNED]
# A comment that begins with a relative clause instead of a verb or a noun.
RELATIVE_RE = re.compile(r"^(?:What|Who|Whose|How|Why|Which|Where|When)\b[^?]*$")

# Occurrences in 1,000 comment lines: three times the highest of seven well-known Rust projects.
IDIOMS = [
    ("nobody", r"\bnobody\b", 1.5),
    ("whoever", r"\bwhoever\b", 0.0),
    ("somebody", r"\bsomebody\b", 0.0),
    ("anybody", r"\banybody\b", 0.3),
    ("what is", r"\bwhat is\b", 2.7),
    ("is to be", r"\bis to be\b", 4.2),
    ("of its own", r"\bof its own\b", 0.9),
    ("anew", r"\banew\b", 0.0),
    ("stands", r"\bstands\b", 0.3),
    ("how things stand", r"\bhow things stand\b", 0.0),
]
SHORT_DOC_PERCENT = 8.0
SHORT_DOC_WORDS = 4
TEST_NAME_LIMIT = 50
TEST_NAME_RE = re.compile(r"^(?:what|whatever|who|whoever|whom|whose|which|one|ones|it|nobody|nothing|anybody|somebody)_")
TYPE_FILES = 3
# Several crates define these with the same meaning: clap's arguments, and the error of a module.
SHARED_TYPES = {"Args", "Command", "Error"}


def files(*patterns):
    out = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns],
        check=True, capture_output=True, text=True)
    import os
    return [f for f in sorted(set(out.stdout.splitlines())) if os.path.exists(f)]


def is_product(path):
    parts = path.split("/")
    return not (parts[0] in ("tests", "demo") or {"tests", "examples", "testing", "benches"} & set(parts)
                or parts[-1] in ("tests.rs", "testing.rs"))


class Source:
    """A Rust file, split into comments, string literals and code; good enough for rustfmt's output."""

    def __init__(self, path):
        self.path = path
        self.lines = open(path, encoding="utf-8").read().splitlines()
        self.comments = []  # (line number, marker, text)
        self.strings = []   # (line number, text)
        self.code = []      # (line number, text without comments and string contents)
        self._split()

    def _split(self):
        inside, hashes, start, text = None, "", 0, ""
        for number, line in enumerate(self.lines, 1):
            code, i = "", 0
            while i < len(line):
                if inside == "block":
                    end = line.find("*/", i)
                    self.comments.append((number, "/*", line[i:] if end < 0 else line[i:end]))
                    if end < 0:
                        i = len(line)
                    else:
                        inside, i = None, end + 2
                elif inside == "string":
                    if not hashes and line[i] == "\\":
                        text += line[i:i + 2]
                        i += 2
                    elif line.startswith('"' + hashes.replace("r", ""), i):
                        self.strings.append((start, text))
                        inside, i = None, i + 1 + len(hashes.replace("r", ""))
                    else:
                        text += line[i]
                        i += 1
                else:
                    raw = re.match(r'b?r(#*)"', line[i:])
                    if line.startswith("//", i):
                        mark = re.match(r"//[/!]?", line[i:]).group()
                        self.comments.append((number, mark, line[i + len(mark):].strip()))
                        i = len(line)
                    elif line.startswith("/*", i):
                        inside, i = "block", i + 2
                    elif raw and (i == 0 or not (line[i - 1].isalnum() or line[i - 1] == "_")):
                        inside, hashes, start, text = "string", "r" + raw.group(1), number, ""
                        i += raw.end()
                    elif line[i] == '"':
                        inside, hashes, start, text = "string", "", number, ""
                        i += 1
                    elif line[i] == "'":
                        char = re.match(r"'(?:\\.[^']*|[^'\\])'", line[i:])
                        i += char.end() if char else 1
                    else:
                        code += line[i]
                        i += 1
            if inside == "string":
                text += "\n"
            self.code.append((number, code))

    def docs(self):
        """Each doc comment: its first line's number and its text, without headings and code."""
        blocks, last = [], None
        for number, mark, text in self.comments:
            if mark not in ("///", "//!"):
                continue
            if last and last[0] == number - 1 and last[1] == mark:
                blocks[-1][1].append(text)
            else:
                blocks.append((number, [text]))
            last = (number, mark)
        return [(number, " ".join(lines)) for number, lines in blocks]

    def tests(self):
        """The names of its tests."""
        pending = False
        for number, line in self.code:
            if re.search(r"#\[(?:\w+::)*test(?:\(.*)?\]?", line) and "cfg" not in line:
                pending = True
            found = re.search(r"\bfn (\w+)", line)
            if found and pending:
                pending = False
                yield number, found.group(1)


def sources():
    return [Source(path) for path in files("*.rs") if not path.endswith("bindings.rs")]


def style_of(path, number, text, found):
    for pattern, why in BANNED_RE:
        for hit in pattern.finditer(text):
            found.append(f"{path}:{number}: “{hit.group()}”: {why}")


def check():
    found = []
    rust = sources()
    for source in rust:
        for number, _, text in source.comments:
            style_of(source.path, number, text, found)
        for number, text in source.docs():
            if RELATIVE_RE.match(text.split(". ")[0]):
                found.append(f"{source.path}:{number}: “{text[:40]}…”: begin with a verb in the third person, or a noun")
        for number, text in source.strings:
            style_of(source.path, number, text, found)
        for number, name in source.tests():
            if len(name) > TEST_NAME_LIMIT:
                found.append(f"{source.path}:{number}: test name of {len(name)} characters, {TEST_NAME_LIMIT} at most: {name}")
            if TEST_NAME_RE.match(name):
                found.append(f"{source.path}:{number}: test name without a subject and a verb: {name}")
    for path in files("*.md", "*/en.ftl", "*.toml", "*.sh", "Makefile", "*.rego", "*.service", "*.yml", "*.ts", "*.tsx"):
        if path == "docs/style.md":
            continue
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            style_of(path, number, line, found)
    print("\n".join(found))
    if found:
        print(f"{len(found)} violations of docs/style.md")
    return 1 if found else 0


def types(rust):
    where = defaultdict(set)
    for source in rust:
        if is_product(source.path):
            for _, line in source.code:
                if line.lstrip().startswith("#[cfg(test)]"):
                    break
                name = re.match(r"\s*(?:pub(?:\([\w: ]+\))? )?(?:struct|enum|trait|union|type) (\w+)", line)
                # Associated types are their trait's.
                if name and not re.match(r"\s+type ", line):
                    where[name.group(1)].add(source.path)
    return {name: sorted(paths) for name, paths in where.items()
            if len(paths) >= TYPE_FILES and name not in SHARED_TYPES}


def circles(rust):
    """Import circles between files of different top-level modules of a crate."""
    crates = defaultdict(list)
    for source in rust:
        root = re.match(r"(.*?src)/(.+)\.rs$", source.path)
        if root and is_product(source.path):
            crates[root.group(1)].append((source, root.group(2).removesuffix("/mod")))
    out = []
    for root, members in crates.items():
        modules = {"::".join(path.split("/")): path for _, path in members}
        edges = defaultdict(set)
        for source, path in members:
            here = [] if path in ("lib", "main") else path.split("/")
            lines, text = [], ""
            for _, line in source.code:
                if line.lstrip().startswith("#[cfg(test)]"):
                    break
                lines.append(line)
            text = "\n".join(lines)
            for group in re.finditer(r"\b(crate|super|self)((?:::\w+)*)(?:::\{([^;{}]*(?:\{[^{}]*\}[^{};]*)*)\})?", text):
                base = {"crate": [], "super": here[:-1], "self": here}[group.group(1)]
                base = base + [p for p in group.group(2).split("::") if p]
                ends = [base]
                if group.group(3):
                    ends += [base + [p for p in item.strip().split("::") if re.match(r"^\w+$", p)]
                             for item in re.sub(r"\{[^{}]*\}", "", group.group(3)).split(",")]
                for end in ends:
                    for length in range(len(end), 0, -1):
                        name = "::".join(end[:length])
                        if name in modules:
                            edges["::".join(here)].add(name)
                            break
        top = defaultdict(set)
        for a, targets in edges.items():
            for b in targets:
                x, y = a.split("::")[0], b.split("::")[0]
                if x and y and x != y and x not in ("lib", "main") and y not in ("lib", "main"):
                    top[x].add(y)
        out += [f"{root}: {' <-> '.join(sorted(c))}" for c in components(top)]
    return out


def components(graph):
    """Strongly connected components of more than one node (Tarjan)."""
    index, low, stack, on, out = {}, {}, [], set(), []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        on.add(node)
        for next_node in graph.get(node, ()):
            if next_node not in index:
                visit(next_node)
                low[node] = min(low[node], low[next_node])
            elif next_node in on:
                low[node] = min(low[node], index[next_node])
        if low[node] == index[node]:
            component = []
            while True:
                member = stack.pop()
                on.discard(member)
                component.append(member)
                if member == node:
                    break
            if len(component) > 1:
                out.append(component)

    for node in list(graph):
        if node not in index:
            visit(node)
    return out


def measure(as_json):
    rust = sources()
    comments = [text.lower() for source in rust for _, _, text in source.comments]
    docs = [text for source in rust for _, text in source.docs()]
    words = [len(text.split()) for text in docs]
    short = sum(1 for count in words if count <= SHORT_DOC_WORDS)
    names = [name for source in rust for _, name in source.tests()]
    rows = []
    for label, pattern, limit in IDIOMS:
        count = sum(len(re.findall(pattern, text)) for text in comments)
        rows.append((f"“{label}” in 1,000 comment lines", round(1000 * count / len(comments), 2), limit))
    rows.append((f"doc comments of {SHORT_DOC_WORDS} words or fewer, percent", round(100 * short / len(docs), 1), SHORT_DOC_PERCENT))
    rows.append(("words in a doc comment, mean", round(sum(words) / len(words), 1), None))
    rows.append((f"test names over {TEST_NAME_LIMIT} characters", sum(len(n) > TEST_NAME_LIMIT for n in names), 0))
    rows.append(("characters in a test name, mean", round(sum(map(len, names)) / len(names), 1), None))
    same = types(rust)
    rows.append((f"type names defined in {TYPE_FILES} or more product files", len(same), 0))
    loops = circles(rust)
    rows.append(("import circles between top-level modules", len(loops), 0))
    if as_json:
        print(json.dumps({"rows": rows, "types": same, "circles": loops, "comment_lines": len(comments),
                          "doc_comments": len(docs), "tests": len(names)}, ensure_ascii=False, indent=1))
    else:
        print(f"{len(comments)} comment lines, {len(docs)} doc comments, {len(names)} tests")
        for label, value, limit in rows:
            over = "" if limit is None or value <= limit else "  OVER"
            print(f"{value:>8}  {'' if limit is None else limit:>6}  {label}{over}")
        for name, paths in sorted(same.items()):
            print(f"  {name}: {', '.join(paths)}")
        for loop in loops:
            print(f"  {loop}")
    return 1 if any(limit is not None and value > limit for _, value, limit in rows) else 0


def main():
    root = subprocess.run(["git", "rev-parse", "--show-toplevel"], check=True, capture_output=True, text=True)
    import os
    os.chdir(root.stdout.strip())
    match sys.argv[1:]:
        case ["check"]:
            return check()
        case ["measure"]:
            return measure(False)
        case ["measure", "--json"]:
            return measure(True)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
