"""Root file systems of the user's own: read, merged, and made into disks."""
