//! Linking accounts at OpenRouter: where it is, and where it sends people back to.

use super::parse::Reader;

/// OpenRouter's public sign-in for keys.
#[derive(Clone, Debug)]
pub struct OpenRouterConfig {
    pub base_url: String,
    /// Where a browser comes back with a code: our own page, or a console's.
    pub callback_url: String,
}

impl Reader<'_> {
    pub(super) fn openrouter(&mut self) -> Option<OpenRouterConfig> {
        let base_url = self.url("OPENROUTER_BASE_URL");
        let callback_url = self.url("OPENROUTER_CALLBACK_URL");
        Some(OpenRouterConfig {
            base_url: base_url?.trim_end_matches('/').to_owned(),
            callback_url: callback_url?,
        })
    }
}
