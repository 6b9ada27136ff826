"""The data plane: a strict, streaming, full-duplex HTTP/1.1 reverse proxy on Twisted protocols."""
