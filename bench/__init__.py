"""How fast, and in how much memory: this pipeline beside dlt, and beside what the machine and the latency allow."""
