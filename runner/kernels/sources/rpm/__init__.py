"""Kernels from RPM repositories: RHEL and its family, Amazon, Oracle, SUSE, Fedora.

What the field uses, and what is used here:

- rpmkeys checks packages, and rpm2archive unpacks them. They are RPM's own, in C, in
  Debian 12 (5 MB installed), and the measure of what vendors sign and pack. PyPI has
  rpm-rs (all of it in one wheel of 3 MB, version 0.30: its interface still moves, and
  RPM's own judges what is a signature) and rpmfile (no signatures).
- gpg checks repomd.xml.asc, and says which keys expired: RPM 4.18 does not look.
- Python's expat reads the metadata: two files of a repository matter. libsolv, libdnf
  and createrepo-c's module (27 MB installed) solve more than that.
- RPM's order of versions is a page of code, which a test compares with RPM's own.
"""
