"""Which layer of a float network gets how many bits: by what rounding each does to the network's outputs."""
