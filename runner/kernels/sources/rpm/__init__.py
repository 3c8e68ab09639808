"""Kernels from RPM repositories: RHEL and its family, Amazon, Oracle, SUSE, Fedora.

What the field uses, and what is used here:

- rpmkeys checks packages, and rpm2archive unpacks them: both are RPM's own, in C, in
  Debian 12 (5 MB installed), and read all that vendors signed and packed since el7. The
  candidates of PyPI are rpm-rs (all of it in one wheel, but its Python interface is not
  a year old and nobody checked it with el7's signatures) and rpmfile (no signatures).
- gpg checks repomd.xml.asc, and says which keys expired: RPM 4.18 does not look.
- Python's expat reads the metadata: a repository has two files that matter. libsolv,
  libdnf and createrepo-c's module (27 MB) solve more than that.
- RPM's order of versions is a page of code, which a test compares with RPM's own.
"""
