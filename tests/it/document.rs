//! The OpenAPI document is the router's, and what it says can be told apart. That clients made of it work is shown in
//! tests/clients.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::access::routes;

/// Every path that the router itself knows, as its own description of itself tells.
fn paths_of_the_router() -> BTreeSet<String> {
    let described = millpond::router::described();
    let told = format!("{:?}{:?}", described.api, described.models);
    let texts = told.split('"').skip(1).step_by(2);
    // The fallback is a route of axum's own making.
    let paths = texts.filter(|text| text.starts_with('/') && !text.contains("__private__"));
    paths.map(|path| path.replace("{*", "{")).collect()
}

/// The document has every route, and none twice: schemas and operations are told apart by their names.
#[test]
fn the_document_is_the_router() {
    let paths: BTreeSet<String> = routes().into_iter().map(|(_, path)| path).collect();
    let router = paths_of_the_router();
    assert!(router.contains("/api/auth/login"), "the router does not tell its paths any more: {router:?}");
    assert_eq!(router.difference(&paths).collect::<Vec<_>>(), Vec::<&String>::new(), "in the router only");
    assert_eq!(paths.difference(&router).collect::<Vec<_>>(), Vec::<&String>::new(), "in the document only");
    let document = serde_json::to_value(millpond::router::described().document).unwrap();
    let operations =
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap());
    let mut ids = BTreeSet::new();
    for (_, operation) in operations {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "two operations are called {id}");
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses {
            assert_ne!(response["description"], "", "{id} does not say what {status} means");
        }
        let secured = operation.get("security").is_some();
        assert!(!secured || (responses.contains_key("401") && responses.contains_key("403")), "{id}");
    }
}

/// Two types of one name would describe each other in the document.
#[test]
fn no_two_schemas_share_a_name() {
    let mut names = BTreeMap::new();
    for file in walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))) {
        let text = std::fs::read_to_string(&file).unwrap();
        let derived = text.split("#[derive(").skip(1);
        let derived = derived.filter(|part| part.split(')').next().unwrap().contains("ToSchema"));
        for part in derived.chain(text.split("\nbody! {").skip(1)) {
            let name = schema_name(part);
            let first = names.insert(name.clone(), file.clone());
            assert_eq!(first, None, "{} describes a second {name}", file.display());
        }
    }
    assert!(names.len() > 80, "{}", names.len());
}

/// What a derived schema is called: `#[schema(as = …)]`, or the type.
fn schema_name(derived: &str) -> String {
    let head = derived.split('{').next().unwrap();
    let word =
        |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let given = head.split_once("schema(as = ").map(|(_, rest)| word(rest));
    let typed =
        ["struct ", "enum "].into_iter().find_map(|kind| head.split_once(kind)).map(|(_, rest)| word(rest));
    given.or(typed).unwrap()
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => walk(&path),
            false => vec![path],
        })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// What clients are built against changes only on purpose.
#[test]
fn the_document_is_the_committed_one() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    let now = millpond::router::described().document.to_pretty_json().unwrap();
    assert!(committed.trim() == now.trim(), "refresh it: cargo run -- openapi > docs/openapi.json");
}
