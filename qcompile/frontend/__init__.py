"""Learns low-bit weights with torch and exports them; the only folder besides models/ that imports torch."""
