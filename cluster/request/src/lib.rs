//! The canonical signed request of client and node.
