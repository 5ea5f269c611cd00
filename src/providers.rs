//! What is known of the services that accounts point at: their public addresses, and which hosts a *shared* account may
//! use. Who shares an account could read what others send through it, so shared ones go to well-known services only.

use url::Url;

use crate::config::UpstreamConfig;

/// OpenAI's own address, the prefix before `/chat/completions`.
pub const OPENAI: &str = "https://api.openai.com/v1";

/// Anthropic's own address, the prefix before `/v1/messages`.
pub const ANTHROPIC: &str = "https://api.anthropic.com";

/// Google's own address of Gemini, the prefix before `/v1beta/`.
pub const GEMINI: &str = "https://generativelanguage.googleapis.com";

/// The public address of a provider that this version serves.
pub fn public_address(provider: &str) -> Option<&'static str> {
    match provider {
        "openai" => Some(OPENAI),
        "anthropic" => Some(ANTHROPIC),
        "gemini" => Some(GEMINI),
        _ => None,
    }
}

/// Services that run models for the public under their own name. A leading dot stands for any host below.
const WELL_KNOWN: &[&str] = &[
    "api.openai.com",
    ".openai.azure.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "openrouter.ai",
    "api.deepseek.com",
    "api.groq.com",
    "api.mistral.ai",
    "api.x.ai",
    "api.together.xyz",
    "api.fireworks.ai",
    "api.cerebras.ai",
    "api.cohere.ai",
    "api.perplexity.ai",
    "api.moonshot.ai",
    "api.moonshot.cn",
    "api.siliconflow.cn",
    "dashscope.aliyuncs.com",
    "dashscope-intl.aliyuncs.com",
    "open.bigmodel.cn",
    "ark.cn-beijing.volces.com",
    "integrate.api.nvidia.com",
];

/// Why an address is no base URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    #[error("base_url is not an absolute URL")]
    NotAbsolute,
    #[error("base_url must begin with http:// or https://")]
    Scheme,
    #[error("base_url must have no user, password, query or fragment")]
    Decorated,
}

/// A checked base URL, without a slash at its end.
pub fn parse_base_url(text: &str) -> Result<Url, BaseUrlError> {
    let mut url = Url::parse(text.trim()).map_err(|_| BaseUrlError::NotAbsolute)?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(BaseUrlError::Scheme);
    }
    let decorated = !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some();
    if decorated {
        return Err(BaseUrlError::Decorated);
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Where an account points: its own address, or its provider's public one.
pub fn base_url(provider: &str, own: Option<&str>) -> Result<Url, BaseUrlError> {
    parse_base_url(own.or(public_address(provider)).unwrap_or(OPENAI))
}

/// Whether a shared account may point there: a well-known service over https, or what the operator allowed in
/// `SHARED_UPSTREAM_HOSTS`.
pub fn may_be_shared(url: &Url, config: &UpstreamConfig) -> bool {
    let Some(host) = url.host_str() else { return false };
    let matches = |known: &str| match known.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|below| below.ends_with('.')),
        None => host.eq_ignore_ascii_case(known),
    };
    config.shared_hosts.iter().any(|known| matches(known))
        || (url.scheme() == "https" && WELL_KNOWN.iter().any(|known| matches(known)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_are_bare() {
        assert_eq!(parse_base_url("https://api.openai.com/v1/").unwrap().as_str(), OPENAI);
        for (text, error) in [
            ("api.openai.com", BaseUrlError::NotAbsolute),
            ("file:///etc/passwd", BaseUrlError::Scheme),
            ("ftp://example.org", BaseUrlError::Scheme),
            ("https://me:secret@example.org", BaseUrlError::Decorated),
            ("https://example.org/?key=x", BaseUrlError::Decorated),
        ] {
            assert_eq!(parse_base_url(text), Err(error), "{text}");
        }
    }
}
