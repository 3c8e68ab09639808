"""What a guest boots: an initramfs with the tools, the modules and the keys."""
