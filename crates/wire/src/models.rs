//! The answer of `GET /v1/models` and `GET /v1/models/{model}` in OpenAI's shape. Which models exist is not decided
//! here.

use serde::{Deserialize, Serialize};

/// One model, as in OpenAI's "The model object".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The name to put into a request.
    pub id: String,
    /// Always `model`.
    #[serde(default = "model_object")]
    pub object: String,
    /// Seconds since the Unix epoch; 0 where a provider does not say.
    #[serde(default)]
    pub created: i64,
    /// Who runs it.
    #[serde(default)]
    pub owned_by: String,
}

impl Model {
    /// A model object; `created` in seconds since the Unix epoch.
    pub fn new(id: impl Into<String>, created: i64, owned_by: impl Into<String>) -> Self {
        Self { id: id.into(), object: model_object(), created, owned_by: owned_by.into() }
    }
}

/// The list of models, as OpenAI's list endpoint wraps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelList {
    /// Always `list`.
    #[serde(default = "list_object")]
    pub object: String,
    /// The models, in the order to show them.
    pub data: Vec<Model>,
}

impl ModelList {
    /// Wraps models into a list.
    pub fn new(data: Vec<Model>) -> Self {
        Self { object: list_object(), data }
    }
}

/// The list of models as Google's API wraps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GeminiModelList {
    /// The models, in the order to show them.
    #[serde(default)]
    pub models: Vec<GeminiModel>,
}

/// One model as Google's API describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GeminiModel {
    /// `models/` and the name to put into a URL.
    pub name: String,
    /// The name for people.
    #[serde(default)]
    pub display_name: String,
    /// What can be done with it.
    #[serde(default)]
    pub supported_generation_methods: Vec<String>,
}

impl GeminiModel {
    /// The model of this name.
    pub fn new(id: &str) -> Self {
        let methods = ["generateContent", "streamGenerateContent", "countTokens"];
        Self {
            name: format!("models/{id}"),
            display_name: id.to_owned(),
            supported_generation_methods: methods.map(str::to_owned).into(),
        }
    }

    /// The name to put into a URL.
    pub fn id(&self) -> &str {
        self.name.strip_prefix("models/").unwrap_or(&self.name)
    }
}

fn model_object() -> String {
    "model".to_owned()
}

fn list_object() -> String {
    "list".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_openais_shape() {
        let list = ModelList::new(vec![Model::new("gpt-4o", 1_715_367_049, "openai")]);
        assert_eq!(
            serde_json::to_string(&list).unwrap(),
            r#"{"object":"list","data":[{"id":"gpt-4o","object":"model","created":1715367049,"owned_by":"openai"}]}"#
        );
    }

    #[test]
    fn reads_lists_of_providers_that_say_little() {
        let list: ModelList = serde_json::from_str(r#"{"data":[{"id":"m"}]}"#).unwrap();
        assert_eq!(list, ModelList::new(vec![Model::new("m", 0, "")]));
    }
}
