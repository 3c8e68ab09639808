"""Where kernels come from: one provider a type of source."""
