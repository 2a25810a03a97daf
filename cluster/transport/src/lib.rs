//! Node to node transports: direct over mutual TLS, and in memory.
