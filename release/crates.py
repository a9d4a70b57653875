#!/usr/bin/env python3
"""What is linked into a program: its crates, by `cargo tree`, without what only builds or tests need.

Two uses:
    crates.py sbom PACKAGE TARGET [EPOCH]   CycloneDX 1.5 on standard output
    crates.py notices PACKAGE...            licences of all of them, for every target of a release, each text once
"""

import hashlib
import json
import pathlib
import re
import subprocess
import sys
import time
import tomllib
import uuid

TARGETS = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
LICENCE_FILE = re.compile(r"^(licen[cs]e|notice|copying|copyright)", re.IGNORECASE)


TREE_LINE = re.compile(r"^(\d+)(\S+) v(\S+)")

# A crate's name and version.
Key = tuple[str, str]


def cargo(*arguments: str) -> str:
    return subprocess.run(["cargo", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def crates(target: str) -> dict[Key, dict]:
    """All that is known about every crate of the lock file."""
    data = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", target))
    return {(crate["name"], crate["version"]): crate for crate in data["packages"]}


def linked(package: str, target: str, known: dict[Key, dict]) -> dict[Key, set[Key]]:
    """What gets into a package, itself first, each with what it uses itself. Not by `cargo metadata`, where every crate has the
    features that any member of the workspace asks for."""
    edges = "no-dev,no-build,no-proc-macro"
    tree = cargo("tree", "--locked", "-p", package, "--target", target, "-e", edges, "--prefix", "depth", "--format", "{p}")
    uses: dict[Key, set[Key]] = {}
    above: list[Key] = []
    for depth, name, version in (found.groups() for found in map(TREE_LINE.match, tree.splitlines()) if found):
        crate = (name, version)
        uses.setdefault(crate, set())
        above[int(depth) :] = [crate]
        if int(depth):
            uses[above[-2]].add(crate)
    # C sources of a library come as build dependency, and are linked all the same.
    for crate in list(uses):
        for name in {dep["name"] for dep in known[crate]["dependencies"] if dep["kind"] == "build" and dep["name"].endswith("-src")}:
            if sources := [key for key in known if key[0] == name]:
                uses[crate].update(sources)
                uses.update({key: set() for key in sources})
    return uses


def checksums() -> dict[tuple[str, str], str]:
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    return {(crate["name"], crate["version"]): crate.get("checksum", "") for crate in lock["package"]}


def licence(crate: dict) -> str:
    # An old spelling of "or", which is no SPDX expression.
    return (crate["license"] or "").replace("/", " OR ")


def component(crate: dict, sums: dict) -> dict:
    name, version = crate["name"], crate["version"]
    purl = f"pkg:cargo/{name}@{version}"
    made = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if licence(crate):
        made["licenses"] = [{"expression": licence(crate)}]
    if sums.get((name, version)):
        made["hashes"] = [{"alg": "SHA-256", "content": sums[name, version]}]
    if crate.get("repository"):
        made["externalReferences"] = [{"type": "vcs", "url": crate["repository"]}]
    return made


def authorities() -> dict | None:
    """Debian's list of certificate authorities, which both images have."""
    asked = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "ca-certificates"], capture_output=True, text=True)
    if asked.returncode != 0:
        return None
    purl = f"pkg:deb/debian/ca-certificates@{asked.stdout}"
    return {"type": "data", "bom-ref": purl, "name": "ca-certificates", "version": asked.stdout, "purl": purl}


def sbom(package: str, target: str, epoch: int) -> dict:
    known = crates(target)
    uses = linked(package, target, known)
    root = next(iter(uses))
    sums = checksums()
    ref = {crate: component(known[crate], sums)["bom-ref"] for crate in uses}
    components = [component(known[crate], sums) for crate in uses if crate != root]
    edges = [{"ref": ref[crate], "dependsOn": sorted(ref[dep] for dep in deps)} for crate, deps in uses.items()]
    rust = subprocess.run(["rustc", "--version"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[1]
    if (extra := authorities()) and package != "kubectl-restward":
        components.append(extra)
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
            "tools": {"components": [{"type": "application", "name": "rustc", "version": rust}]},
            "component": component(known[root], sums) | {"type": "application"},
            "properties": [{"name": "restward:target", "value": target}],
        },
        "components": sorted(components, key=lambda one: one["bom-ref"]),
        "dependencies": sorted(edges, key=lambda one: one["ref"]),
    }
    # The same content has the same number.
    digest = hashlib.sha256(json.dumps(made, sort_keys=True).encode()).hexdigest()
    return made | {"serialNumber": f"urn:uuid:{uuid.UUID(digest[:32])}"}


def notices(packages: list[str]) -> str:
    known = {key: crate for target in TARGETS for key, crate in crates(target).items()}
    keys = sorted({crate for target in TARGETS for package in packages for crate in linked(package, target, known)})
    users: dict[str, list[str]] = {}
    without = []
    for crate in (known[key] for key in keys if known[key]["source"]):
        folder = pathlib.Path(crate["manifest_path"]).parent
        files = sorted(file for file in folder.iterdir() if file.is_file() and LICENCE_FILE.match(file.name))
        label = f"{crate['name']} {crate['version']} ({licence(crate)})"
        for file in files:
            text = file.read_text(errors="replace").replace("\r\n", "\n").strip()
            users.setdefault(text, []).append(label)
        if not files:
            without.append(label)
    lines = [
        "Restward is made with the software of others. These are the crates that are linked into its programs, each with the",
        "licence texts that it comes with. The list of certificate authorities in the images is Debian's package ca-certificates (MPL-2.0).",
        "",
    ]
    for text, names in sorted(users.items(), key=lambda item: item[1]):
        lines += ["=" * 100, *sorted(set(names)), "-" * 100, text, ""]
    if without:
        lines += ["=" * 100, "Without a file of their licence; it is the one named:", *without, ""]
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    match arguments:
        case ["sbom", package, target, *epoch]:
            print(json.dumps(sbom(package, target, int(epoch[0]) if epoch else 0), indent=1))
        case ["notices", *packages] if packages:
            print(notices(packages))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
