//! Arrows between rooms go one way: what stands lower in these lists may be used by what stands higher, never the other way
//! round. A circle between rooms is a cycle that no reader can begin to read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The rooms of the crate, lowest first. Rooms of one line know nothing of each other.
const ROOMS: &[&[&str]] = &[
    &["ids", "clock", "names", "messages", "tasks", "vault", "shutdown"],
    &["config"],
    &["providers"],
    &["store"],
    &["state"],
    &["audit"],
    &["core"],
    &["edge"],
    &["auth"],
    &["gateway"],
    &["app"],
    &["api"],
    &["router"],
    &["server"],
    &["cli"],
];

/// The same within the gateway. `Gateway` itself, which holds what every step needs, may be named by all of them.
const GATEWAY: &[&[&str]] = &[
    &["accounts", "request", "limits", "token_counter"],
    &["upstream", "estimate", "journal"],
    &["pool"],
    &["admission"],
    &["choose", "settlement"],
    &["attempts", "relay"],
    &["call", "models", "check", "view"],
    &["routes"],
];

fn rank(rooms: &[&[&str]], room: &str) -> Option<usize> {
    rooms.iter().position(|floor| floor.contains(&room))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The rooms that a text names after `prefix`, in a path or in the braces of an import. Tests may use what they like.
fn named(text: &str, prefix: &str) -> BTreeSet<String> {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code = code.collect::<Vec<_>>().join("\n");
    let mut rooms = BTreeSet::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        let list = rest.strip_prefix('{').and_then(|rest| rest.split('}').next());
        for name in list.map_or_else(|| vec![rest], |list| list.split(',').collect()) {
            let end = name.trim_start();
            let end = end.find(|c: char| !c.is_alphanumeric() && c != '_').map_or(end, |place| &end[..place]);
            rooms.insert(end.to_owned());
        }
    }
    rooms
}

fn room_of(path: &Path, under: &Path) -> String {
    let first = path.strip_prefix(under).unwrap().components().next().unwrap();
    first.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn arrows_go_down(under: &Path, rooms: &[&[&str]], prefix: &str, no_rooms: &[&str]) {
    let mut files = Vec::new();
    sources(under, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let room = room_of(&file, under);
        if no_rooms.contains(&room.as_str()) {
            continue;
        }
        let own = rank(rooms, &room).unwrap_or_else(|| panic!("{room} has no place in the list"));
        let text = std::fs::read_to_string(&file).unwrap();
        for other in named(&text, prefix).into_iter().filter(|other| *other != room) {
            if rank(rooms, &other).is_some_and(|other| other >= own) {
                wrong.push(format!("{} uses {other}", file.strip_prefix(under).unwrap().display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that go up:\n{}", wrong.join("\n"));
}

#[test]
fn rooms_are_in_no_circle() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    arrows_go_down(&source, ROOMS, "crate::", &["lib", "main"]);
}

#[test]
fn steps_of_the_gateway_are_in_no_circle() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gateway");
    arrows_go_down(&source, GATEWAY, "crate::gateway::", &["mod"]);
}
