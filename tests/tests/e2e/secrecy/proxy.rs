//! A proxy in front of a node's peer port that keeps what passes through it.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Both directions of one connection.
#[derive(Clone, Default)]
pub(super) struct Connection {
    to_node: Arc<Mutex<Vec<u8>>>,
    from_node: Arc<Mutex<Vec<u8>>>,
}

/// Who wrote the bytes of a direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl Connection {
    pub(super) fn of(&self, side: Side) -> Vec<u8> {
        let bytes = match side {
            Side::Client => &self.to_node,
            Side::Server => &self.from_node,
        };
        bytes.lock().unwrap().clone()
    }

    pub(super) fn directions(&self) -> [Side; 2] {
        [Side::Client, Side::Server]
    }
}

pub(super) struct Proxy {
    pub(super) address: String,
    connections: Arc<Mutex<Vec<Connection>>>,
}

impl Proxy {
    pub(super) async fn start(node: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let connections = Arc::<Mutex<Vec<Connection>>>::default();
        let (kept, node) = (Arc::clone(&connections), node.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                // The node may not listen yet: its peers dial again.
                let Ok(server) = TcpStream::connect(&node).await else { continue };
                let connection = Connection::default();
                kept.lock().unwrap().push(connection.clone());
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, connection.to_node));
                tokio::spawn(pass(from_server, to_client, connection.from_node));
            }
        });
        Self { address, connections }
    }

    pub(super) fn connections(&self) -> Vec<Connection> {
        self.connections.lock().unwrap().clone()
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    kept: Arc<Mutex<Vec<u8>>>,
) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        kept.lock().unwrap().extend_from_slice(&buffer[..read]);
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    to.shutdown().await.ok();
}
