"""Sections of ELF files that come from elsewhere."""

from io import BytesIO

from elftools.elf.elffile import ELFFile


def section(data: bytes, name: str) -> bytes | None:
    """Return a section's content, or None when there is no such section.

    Raises ValueError for what is no ELF file or does not hold together.
    """
    try:
        found = ELFFile(BytesIO(data)).get_section_by_name(name)
        if found is None:
            return None
        if found.header["sh_size"] > len(data):
            # An empty section that claims terabytes would be made of zeros.
            raise ValueError(f"its section {name} is larger than the file")
        return bytes(found.data())
    # pyelftools lets through what its own parts raise for damaged files: OverflowError,
    # zlib.error, AttributeError and more.
    except Exception as error:
        raise ValueError(str(error) or type(error).__name__) from error
