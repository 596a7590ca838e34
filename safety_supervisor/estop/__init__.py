"""The e-stop device: frames and link monitor (sans-I/O), serial drivers."""
