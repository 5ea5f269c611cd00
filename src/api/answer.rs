//! What the Plug-in API's contract wraps around every answer.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use crate::messages::Text;

/// `success`, a sentence where something was changed, and what was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Answer<T: ToSchema> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    message: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<T>,
}

impl<T: ToSchema> Answer<T> {
    pub(super) fn data(data: T) -> Json<Self> {
        Json(Self { success: true, message: None, data: Some(data) })
    }

    pub(super) fn changed(message: impl Into<Text>, data: T) -> Json<Self> {
        Json(Self { success: true, message: Some(message.into()), data: Some(data) })
    }

    pub(super) fn done(message: impl Into<Text>) -> Json<Self> {
        Json(Self { success: true, message: Some(message.into()), data: None })
    }
}
