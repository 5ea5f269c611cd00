//! Outbound proxies that accounts ask for: HTTP's CONNECT and SOCKS 5, with or without a password. A proxy is given an
//! address that the guard has judged, never a name that it could resolve to somewhere else.

use std::fmt;
use std::future::ready;
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;

use axum::http::{HeaderValue, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::legacy::connect::proxy::{SocksV5, Tunnel};
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::net::TcpStream;
use tower::{Service, service_fn};
use url::Url;

use axum::BoxError;

/// Why a text is no proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a proxy is http://[user:password@]host[:port] or socks5://[user:password@]host[:port]")]
pub struct NoProxy;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// What it was read from.
    text: SecretString,
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        self.text.expose_secret() == other.text.expose_secret()
    }
}

impl Eq for Proxy {}

impl Hash for Proxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.expose_secret().hash(state);
    }
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
        let port = url.port().unwrap_or(usual);
        Ok(Self { kind, host, port, login, text: text.into() })
    }

    /// Asks for a connection to `target` over one that reaches the proxy.
    pub(crate) async fn tunnel(
        &self,
        stream: TokioIo<TcpStream>,
        target: SocketAddr,
    ) -> Result<TokioIo<TcpStream>, BoxError> {
        let target = Uri::try_from(format!("http://{target}"))?;
        let mut stream = Some(stream);
        // Which proxy it is was decided by whoever opened the connection.
        let opened = service_fn(|_: Uri| ready(stream.take().ok_or("a connection is used once")));
        match self.kind {
            Kind::Connect => {
                let mut tunnel = Tunnel::new(Uri::default(), opened);
                if let Some((user, password)) = &self.login {
                    let pair = STANDARD.encode(format!("{user}:{}", password.expose_secret()));
                    tunnel = tunnel.with_auth(HeaderValue::try_from(format!("Basic {pair}"))?);
                }
                Ok(tunnel.call(target).await?)
            }
            Kind::Socks5 => {
                let mut tunnel = SocksV5::new(Uri::default(), opened);
                if let Some((user, password)) = &self.login {
                    tunnel = tunnel.with_auth(user.clone(), password.expose_secret().to_owned());
                }
                Ok(tunnel.call(target).await?)
            }
        }
    }
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
