//! A TCP relay in front of a server that can stop passing bytes on, in silence, as a broken network does.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::harness::spawn;

pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    passes: Arc<watch::Sender<bool>>,
    serving: JoinHandle<()>,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Link {
    /// A relay to `target`, on a port of its own.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let passes = Arc::new(watch::Sender::new(true));
        let serving = spawn(serve(listener, target, passes.clone()));
        Self { address, passes, serving }
    }

    /// Stops passing bytes on, both ways, on all connections; new ones are accepted and hear nothing.
    pub(crate) fn freeze(&self) {
        self.passes.send_replace(false);
    }

    /// Goes on with what was held back.
    pub(crate) fn thaw(&self) {
        self.passes.send_replace(true);
    }
}

async fn serve(listener: TcpListener, target: SocketAddr, passes: Arc<watch::Sender<bool>>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(target).await else { continue };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        spawn(pass(from_client, to_server, passes.subscribe()));
        spawn(pass(from_server, to_client, passes.subscribe()));
    }
}

async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut passes: watch::Receiver<bool>) {
    let mut bytes = [0; 16 * 1024];
    loop {
        let count = match from.read(&mut bytes).await {
            Ok(count) if count > 0 => count,
            _ => return,
        };
        if passes.wait_for(|passes| *passes).await.is_err() || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}
