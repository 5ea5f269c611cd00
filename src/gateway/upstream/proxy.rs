//! Outbound proxies that accounts ask for: HTTP's CONNECT and SOCKS 5, with or without a password. A proxy is given an
//! address that the guard has judged, never a name that it could resolve to somewhere else.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// The head of a CONNECT answer may be this long.
const LONGEST_HEAD: usize = 8 << 10;
const SOCKS: u8 = 5;
const NO_PASSWORD: u8 = 0;
const PASSWORD: u8 = 2;

/// Why a text is no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is http://[user:password@]host[:port] or socks5://[user:password@]host[:port]")]
pub struct NoProxy;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Connect,
    Socks5,
}

/// A proxy with its password. Two of the same text are the same.
#[derive(Clone)]
pub struct Proxy {
    kind: Kind,
    pub(crate) host: String,
    pub(crate) port: u16,
    login: Option<(String, SecretString)>,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}:{}", self.kind, self.host, self.port)
    }
}

impl Proxy {
    /// Reads a proxy's address.
    pub fn parse(text: &str) -> Result<Self, NoProxy> {
        let url = Url::parse(text).map_err(|_| NoProxy)?;
        let (kind, usual) = match url.scheme() {
            "http" => (Kind::Connect, 80),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            _ => return Err(NoProxy),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NoProxy)?;
        let bare = !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some();
        if bare {
            return Err(NoProxy);
        }
        let decoded = |part: &str| {
            let pair = format!("x={}", part.replace('+', "%2B"));
            url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, text)| text.into_owned())
        };
        let password = url.password().unwrap_or_default();
        let login = match (url.username(), password) {
            ("", "") => None,
            (user, password) => {
                let user = decoded(user).filter(|user| user.len() <= 255).ok_or(NoProxy)?;
                let password = decoded(password).filter(|text| text.len() <= 255).ok_or(NoProxy)?;
                Some((user, SecretString::from(password)))
            }
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { kind, host, port: url.port().unwrap_or(usual), login })
    }

    /// Asks for a connection to `target` over one that reaches the proxy.
    pub(crate) async fn tunnel(&self, stream: &mut TcpStream, target: SocketAddr) -> io::Result<()> {
        match self.kind {
            Kind::Connect => self.connect(stream, target).await,
            Kind::Socks5 => self.socks5(stream, target).await,
        }
    }

    async fn connect(&self, stream: &mut TcpStream, target: SocketAddr) -> io::Result<()> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
        if let Some((user, password)) = &self.login {
            let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
            request.push_str(&format!("Proxy-Authorization: Basic {pair}\r\n"));
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        // Byte by byte, because what follows the head belongs to the tunnel; it happens once a connection.
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() == LONGEST_HEAD {
                return Err(refused("its answer is too long"));
            }
            head.push(stream.read_u8().await?);
        }
        let status = head.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        match status.first() {
            Some(b'2') if status.len() == 3 => Ok(()),
            _ => Err(refused(&format!("status {}", String::from_utf8_lossy(status)))),
        }
    }

    async fn socks5(&self, stream: &mut TcpStream, target: SocketAddr) -> io::Result<()> {
        let method = if self.login.is_some() { PASSWORD } else { NO_PASSWORD };
        stream.write_all(&[SOCKS, 1, method]).await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        if answer != [SOCKS, method] {
            return Err(refused("no way to sign in that both know"));
        }
        if let Some((user, password)) = &self.login {
            let mut request = vec![1];
            for part in [user.as_bytes(), password.expose_secret().as_bytes()] {
                request.push(u8::try_from(part.len()).map_err(|_| refused("the password is too long"))?);
                request.extend_from_slice(part);
            }
            stream.write_all(&request).await?;
            stream.read_exact(&mut answer).await?;
            if answer[1] != 0 {
                return Err(refused("wrong user or password"));
            }
        }
        let mut request = vec![SOCKS, 1, 0];
        match target {
            SocketAddr::V4(address) => {
                request.push(1);
                request.extend_from_slice(&address.ip().octets());
            }
            SocketAddr::V6(address) => {
                request.push(4);
                request.extend_from_slice(&address.ip().octets());
            }
        }
        request.extend_from_slice(&target.port().to_be_bytes());
        stream.write_all(&request).await?;
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        if head[1] != 0 {
            return Err(refused(&format!("reply {}", head[1])));
        }
        let bound = match head[3] {
            1 => 4,
            4 => 16,
            3 => usize::from(stream.read_u8().await?),
            _ => return Err(refused("a reply that can't be read")),
        };
        let mut rest = vec![0; bound + 2];
        stream.read_exact(&mut rest).await.map(drop)
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::other(format!("the proxy refused: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read() {
        let proxy = Proxy::parse("socks5://me:p%40ss+word@proxy.example").unwrap();
        let (user, password) = proxy.login.clone().unwrap();
        assert_eq!((user.as_str(), password.expose_secret()), ("me", "p@ss+word"));
        assert_eq!((proxy.kind, proxy.port), (Kind::Socks5, 1080));
        assert!(!format!("{proxy:?}").contains("p@ss"));
        assert_eq!(Proxy::parse("http://[::1]:3128").unwrap().host, "::1");
        for text in
            ["", "proxy:1", "https://proxy", "http://", "http://proxy/path", "ftp://proxy", "http://p?x=1"]
        {
            assert!(Proxy::parse(text).is_err(), "{text}");
        }
    }
}
