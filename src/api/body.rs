//! Bodies of signed-in members. The syntax of a body is checked before the caller is known, its members after.

use axum::extract::{FromRequest, FromRequestParts as _, Request};
use serde_json::Value;

use crate::app::App;
use crate::auth::extract::Member;
use crate::edge::error::{ApiError, Result};
use crate::edge::input::{Object, object, parse, read};

/// A signed-in member with a JSON object as body.
#[derive(Debug)]
pub(super) struct MemberBody(pub Member, pub Object);

/// A signed-in member with a JSON object as body, which may be absent.
#[derive(Debug)]
pub(super) struct MemberOptionalBody(pub Member, pub Object);

async fn member_and_value(request: Request, app: &App) -> Result<(Member, Option<Value>)> {
    let (mut parts, body) = request.into_parts();
    let value = parse(&parts.headers, &read(body, &app.core.config).await?)?;
    Ok((Member::from_request_parts(&mut parts, app).await?, value))
}

impl FromRequest<App> for MemberBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (member, value) = member_and_value(request, app).await?;
        Ok(Self(member, object(value)?))
    }
}

impl FromRequest<App> for MemberOptionalBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (member, value) = member_and_value(request, app).await?;
        let object = match value {
            None | Some(Value::Null) => Object::default(),
            present => object(present)?,
        };
        Ok(Self(member, object))
    }
}
