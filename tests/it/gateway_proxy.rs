//! Accounts that go through a proxy: HTTP's CONNECT and SOCKS 5, with a password, and no way around the guard.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::database::replace_account;
use crate::harness::{Harness, both_shapes, spawn};
use crate::recorder::Recorder;
use millpond::ids::AccountId;

both_shapes!(accounts_go_through_their_proxy, the_guard_holds_for_proxy_and_target);

/// A proxy that speaks both protocols and demands `me:p@ss`.
struct Tunnel {
    address: SocketAddr,
    opened: Arc<AtomicUsize>,
    targets: Arc<Mutex<Vec<String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Tunnel {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (opened, targets) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let (count, seen) = (opened.clone(), targets.clone());
        let serving = spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let seen = seen.clone();
                spawn(async move { serve(stream, seen).await.ok() });
            }
        });
        Self { address, opened, targets, serving }
    }
}

async fn serve(mut client: TcpStream, seen: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let first = client.read_u8().await?;
    let target = if first == 5 { socks(&mut client).await? } else { connect(&mut client).await? };
    let Some(target) = target else { return Ok(()) };
    seen.lock().unwrap().push(target.clone());
    let mut upstream = TcpStream::connect(&target).await?;
    copy_bidirectional(&mut client, &mut upstream).await.map(drop)
}

async fn connect(client: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut head = vec![b'C'];
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let pair = base64::engine::general_purpose::STANDARD.encode("me:p@ss");
    if !head.contains(&format!("Proxy-Authorization: Basic {pair}")) {
        client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await?;
        return Ok(None);
    }
    client.write_all(b"HTTP/1.1 200 OK\r\nvia: x\r\n\r\n").await?;
    Ok(head.split(' ').nth(1).map(str::to_owned))
}

async fn socks(client: &mut TcpStream) -> std::io::Result<Option<String>> {
    let mut methods = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut methods).await?;
    client.write_all(&[5, if methods.contains(&2) { 2 } else { 255 }]).await?;
    let mut login = [0; 1 + 1 + 2 + 1 + 4];
    client.read_exact(&mut login).await?;
    let fine = login == *b"\x01\x02me\x04p@ss";
    client.write_all(&[1, u8::from(!fine)]).await?;
    let mut request = [0; 10];
    client.read_exact(&mut request).await?;
    assert_eq!(request[..4], [5, 1, 0, 1], "an address, never a name");
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    let [a, b, c, d, high, low] = request[4..].try_into().unwrap();
    Ok(fine.then(|| format!("{a}.{b}.{c}.{d}:{}", u16::from_be_bytes([high, low]))))
}

/// Makes the account of this model go through a proxy.
async fn account(server: &crate::harness::Server, access: &str, model: &str, base: &str, proxy: &str) {
    let made = server
        .account(access, SocketAddr::from(([127, 0, 0, 1], 1)), json!({"models": [model], "base_url": base}))
        .await;
    let id = AccountId(made["cookie_id"].as_str().unwrap().to_owned());
    let owner = millpond::ids::UserId(made["user_id"].as_str().unwrap().parse().unwrap());
    let app = &server.app;
    let mut row = app.core.store.find_account(owner, &id).await.unwrap().unwrap();
    row.proxy = Some(app.core.vault.encrypt(proxy));
    row.id = AccountId::generate();
    replace_account(app, &id, &row).await;
    app.core.state.publish(millpond::state::Invalidation::AccountsOf(owner)).await;
}

async fn accounts_go_through_their_proxy(harness: Arc<Harness>) {
    let (server, provider, tunnel) = (harness.server().await, Recorder::start().await, Tunnel::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let base = format!("http://localhost:{}/v1", provider.address.port());
    let (plain, at) = (format!("http://{}/v1", provider.address), tunnel.address);
    account(&server, &access, "by-connect", &plain, &format!("http://me:p%40ss@{at}")).await;
    account(&server, &access, "by-socks", &plain, &format!("socks5://me:p%40ss@{at}")).await;
    account(&server, &access, "wrong", &plain, &format!("http://me:wrong@{at}")).await;
    account(
        &server,
        &access,
        "inside",
        &base.replace("localhost", "127.0.0.9"),
        &format!("http://me:p%40ss@{at}"),
    )
    .await;
    let call = |model: &'static str| {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "a"}]});
        let (server, access) = (&server, &access);
        async move { server.post("/v1/chat/completions", access, body).await.0 }
    };
    for (model, opened) in [("by-connect", 1), ("by-connect", 1), ("by-socks", 2)] {
        assert_eq!(call(model).await, 200, "{model}");
        assert_eq!(
            tunnel.opened.load(Ordering::SeqCst),
            opened,
            "a tunnel is used again, by its own account"
        );
    }
    assert_eq!(*tunnel.targets.lock().unwrap(), [provider.address.to_string(), provider.address.to_string()]);
    assert_eq!(call("wrong").await, 502);
    let before = tunnel.opened.load(Ordering::SeqCst);
    assert_eq!(call("inside").await, 502, "the target is judged before the proxy hears of it");
    assert_eq!(tunnel.opened.load(Ordering::SeqCst), before);
    server.stop().await;
}

async fn the_guard_holds_for_proxy_and_target(harness: Arc<Harness>) {
    let (server, provider) = (harness.server().await, Recorder::start().await);
    server.person("ada").await;
    let (access, _) = server.sign_in("ada").await;
    let base = format!("http://{}/v1", provider.address);
    account(&server, &access, "m", &base, &format!("http://127.0.0.2:{}", provider.address.port())).await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "a"}]});
    let (status, answer) = server.post("/v1/chat/completions", &access, body).await;
    assert_eq!((status, &answer["error"]["code"]), (502, &json!("upstream_unreachable")));
    assert!(provider.seen().is_empty());
    server.stop().await;
}
