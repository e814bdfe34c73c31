"""Write the CycloneDX bill of materials of an image: `inventory.sh IMAGE | python sbom.py IMAGE BENTO > sbom.json`."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import OutputFormat, make_outputter
from cyclonedx.schema import SchemaVersion
from packageurl import PackageURL


def bill(image: str, bento: str, inventory: Iterable[str]) -> Bom:
    """The bill of `image`, made of `bento`, with a component for each line that `inventory.sh` printed."""
    bom = Bom(components=[component(line.split()) for line in sorted(set(inventory)) if line.strip()])
    name, _, version = image.rpartition(":")
    described = Component(name=name, version=version, type=ComponentType.CONTAINER, description=bento)
    bom.metadata.component = described
    bom.register_dependency(described, bom.components)
    return bom


def component(words: list[str]) -> Component:
    """The component that a line of `inventory.py` names; equal ones have equal references."""
    kind, name, version, *more = words
    match kind:
        case "python":
            type_, purl = ComponentType.LIBRARY, PackageURL("pypi", None, name.lower().replace("_", "-"), version)
        case "deb":
            type_, purl = ComponentType.LIBRARY, PackageURL("deb", "debian", name, version, {"arch": more[0]})
        case "generic":
            type_, purl = ComponentType.PLATFORM, PackageURL("generic", None, name, version)
        case "model":
            type_, purl = ComponentType.MACHINE_LEARNING_MODEL, PackageURL("generic", None, name, version)
        case _:
            raise ValueError(f"a line of the inventory starts with {kind}")
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=more[0])] if kind == "model" else []
    return Component(name=name, version=version, type=type_, purl=purl, bom_ref=str(purl), hashes=hashes)


def main() -> None:
    """From standard input to standard output."""
    image, bento = sys.argv[1:]
    made = bill(image, bento, sys.stdin)
    print(make_outputter(made, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2))


if __name__ == "__main__":
    main()
