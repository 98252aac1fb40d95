"""One-shot mixed precision (Tang et al., arXiv 2401.01543): one set of weights for many bit-widths."""
