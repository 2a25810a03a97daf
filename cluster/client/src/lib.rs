//! Client of a cluster: signs requests, retries, and serves the gateway.
