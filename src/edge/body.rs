//! Bodies that are described by what reads them: one list of members makes the struct, its reader and its schema.

use serde_json::Value;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr, SchemaFormat};

/// Declares a body. Each member names its type and the function of [`Object`](super::input::Object) that reads it; the
/// function of the same name here describes it. Members are read, and their problems told, in the order of the list.
///
/// ```ignore
/// body! {
///     /// What to make an invite of.
///     struct NewInvite {
///         /// How many people may use it; 1 when absent.
///         uses: Option<i64> = optional_integer(1, 100_000),
///         note: Option<String> = optional_text(200),
///     }
///     example {"uses": 3}
/// }
/// let NewInvite { uses, note } = NewInvite::read(body)?;
/// ```
macro_rules! body {
    (
        $(#[doc = $about:literal])*
        $visibility:vis struct $name:ident {
            $($(#[doc = $doc:literal])* $member:ident: $type:ty = $reader:ident($($argument:expr),*),)+
        }
        $(example $example:tt)?
    ) => {
        $(#[doc = $about])*
        #[derive(Debug)]
        $visibility struct $name {
            $($(#[doc = $doc])* $visibility $member: $type,)+
        }

        impl $name {
            /// Reads all members, or tells every problem.
            $visibility fn read(mut body: $crate::edge::input::Object) -> $crate::edge::error::Result<Self> {
                let read = Self { $($member: body.$reader(stringify!($member) $(, $argument)*),)+ };
                body.finish()?;
                Ok(read)
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let example: Option<serde_json::Value> = None;
                $(let example = example.or(Some(serde_json::json!($example)));)?
                $crate::edge::body::Description::new(&[$($about),*], example)
                    $(.member(stringify!($member), &[$($doc),*], $crate::edge::body::$reader($($argument),*)))+
                    .finish()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}
pub(crate) use body;

/// The schema of a body in the making.
pub(crate) struct Description(ObjectBuilder);

/// The schema of one member.
pub(crate) struct MemberSchema {
    schema: Schema,
    is_required: bool,
}

fn prose(lines: &[&str]) -> Option<String> {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

impl Description {
    pub(crate) fn new(about: &[&str], example: Option<Value>) -> Self {
        Self(ObjectBuilder::new().schema_type(Type::Object).description(prose(about)).examples(example))
    }

    pub(crate) fn member(self, name: &str, about: &[&str], mut member: MemberSchema) -> Self {
        match &mut member.schema {
            Schema::Object(object) => object.description = prose(about),
            Schema::Array(array) => array.description = prose(about),
            _ => {}
        }
        let builder = self.0.property(name, member.schema);
        Self(if member.is_required { builder.required(name) } else { builder })
    }

    pub(crate) fn finish(self) -> RefOr<Schema> {
        self.0.into()
    }
}

fn required(kind: Type, about: impl FnOnce(ObjectBuilder) -> ObjectBuilder) -> MemberSchema {
    let schema = about(ObjectBuilder::new().schema_type(kind)).build();
    MemberSchema { schema: schema.into(), is_required: true }
}

/// May be absent or null.
fn optional(kind: Type, about: impl FnOnce(ObjectBuilder) -> ObjectBuilder) -> MemberSchema {
    let kinds = SchemaType::from_iter([kind, Type::Null]);
    let schema = about(ObjectBuilder::new().schema_type(kinds)).build();
    MemberSchema { schema: schema.into(), is_required: false }
}

fn format(schema: ObjectBuilder, format: KnownFormat) -> ObjectBuilder {
    schema.format(Some(SchemaFormat::KnownFormat(format)))
}

fn length(schema: ObjectBuilder, shortest: usize, longest: usize) -> ObjectBuilder {
    let shortest = Some(shortest).filter(|shortest| *shortest > 0);
    schema.min_length(shortest).max_length(Some(longest))
}

fn range(schema: ObjectBuilder, least: i64, most: i64) -> ObjectBuilder {
    let bound = |bound: i64, none: i64| isize::try_from(bound).ok().filter(|_| bound != none);
    let bounded = schema.minimum(bound(least, i64::MIN)).maximum(bound(most, i64::MAX));
    format(bounded, KnownFormat::Int64)
}

pub(crate) fn text(shortest: usize, longest: usize) -> MemberSchema {
    required(Type::String, |schema| length(schema, shortest, longest))
}

pub(crate) fn optional_text(longest: usize) -> MemberSchema {
    optional(Type::String, |schema| length(schema, 0, longest))
}

pub(crate) fn secret(shortest: usize, longest: usize) -> MemberSchema {
    required(Type::String, |schema| format(length(schema, shortest, longest), KnownFormat::Password))
}

pub(crate) fn optional_secret(longest: usize) -> MemberSchema {
    optional(Type::String, |schema| format(length(schema, 0, longest), KnownFormat::Password))
}

pub(crate) fn boolean() -> MemberSchema {
    required(Type::Boolean, |schema| schema)
}

pub(crate) fn optional_boolean() -> MemberSchema {
    optional(Type::Boolean, |schema| schema)
}

pub(crate) fn integer(least: i64, most: i64) -> MemberSchema {
    required(Type::Integer, |schema| range(schema, least, most))
}

pub(crate) fn optional_integer(least: i64, most: i64) -> MemberSchema {
    optional(Type::Integer, |schema| range(schema, least, most))
}

pub(crate) fn optional_moment() -> MemberSchema {
    optional(Type::String, |schema| format(schema, KnownFormat::DateTime))
}

pub(crate) fn optional_texts(longest: usize, most: usize) -> MemberSchema {
    let kinds = SchemaType::from_iter([Type::Array, Type::Null]);
    let entries = ArrayBuilder::new().items(RefOr::T(text(1, longest).schema)).max_items(Some(most));
    MemberSchema { schema: entries.schema_type(kinds).build().into(), is_required: false }
}
