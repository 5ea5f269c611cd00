//! The three secrets: from the environment, or outside production made once and kept in the data directory (0600).

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};

use super::parse::Reader;

pub(super) struct Secrets {
    pub(super) access: SecretString,
    pub(super) refresh: SecretString,
    pub(super) encryption: SecretString,
}

const JWT: &str = "JWT_SECRET_KEY";
const REFRESH: &str = "REFRESH_TOKEN_SECRET_KEY";
const ENCRYPTION: &str = "PLUGIN_API_ENCRYPTION_KEY";

/// Words of sample files. A secret that holds one of them was never chosen.
const DEFAULT_LOOKING: [&str; 6] =
    ["your-", "change", "example", "secret-key", "password", "encryption-key-here"];
const SHORTEST_JWT_SECRET_BYTES: usize = 32;

/// A new Fernet key: 32 random bytes as 44 characters of URL-safe base64.
pub fn generate_encryption_key() -> String {
    fernet::Fernet::generate_key()
}

/// All secrets from the environment. `strict` also refuses default-looking and short ones.
pub(super) fn from_variables(reader: &mut Reader<'_>, strict: bool) -> Option<Secrets> {
    if strict {
        for name in [JWT, ENCRYPTION] {
            if reader.secret(name).is_none() {
                reader.problem(name, "is required in production");
            }
        }
        for name in [JWT, REFRESH] {
            check_strength(reader, name);
        }
    }
    check_encryption_key(reader);
    let access = reader.secret(JWT)?;
    Some(Secrets {
        refresh: reader.secret(REFRESH).unwrap_or_else(|| access.clone()),
        access,
        encryption: reader.secret(ENCRYPTION)?,
    })
}

/// The same, making what is missing and keeping it under `data_dir`.
pub(super) fn from_variables_or_files(reader: &mut Reader<'_>, data_dir: &Path) -> Option<Secrets> {
    check_encryption_key(reader);
    let access = secret_or_file(reader, JWT, data_dir, "jwt-secret", random_secret)?;
    let encryption = secret_or_file(reader, ENCRYPTION, data_dir, "encryption-key", generate_encryption_key)?;
    Some(Secrets { refresh: reader.secret(REFRESH).unwrap_or_else(|| access.clone()), access, encryption })
}

fn check_strength(reader: &mut Reader<'_>, name: &str) {
    let Some(secret) = reader.secret(name) else { return };
    let text = secret.expose_secret();
    if text.len() < SHORTEST_JWT_SECRET_BYTES {
        reader.problem(name, &format!("is too short: at least {SHORTEST_JWT_SECRET_BYTES} bytes are needed"));
    }
    let lower = text.to_ascii_lowercase();
    if DEFAULT_LOOKING.iter().any(|word| lower.contains(word)) {
        reader.problem(name, "looks like a sample value; make one with `openssl rand -base64 48`");
    }
}

fn check_encryption_key(reader: &mut Reader<'_>) {
    if let Some(key) = reader.secret(ENCRYPTION)
        && fernet::Fernet::new(key.expose_secret()).is_none()
    {
        let hint =
            "must be a Fernet key (32 bytes, URL-safe base64); `millpond generate-encryption-key` makes one";
        reader.problem(ENCRYPTION, hint);
    }
}

fn random_secret() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 48]>())
}

fn secret_or_file(
    reader: &mut Reader<'_>,
    name: &str,
    data_dir: &Path,
    file: &str,
    make: fn() -> String,
) -> Option<SecretString> {
    if let Some(secret) = reader.secret(name) {
        return Some(secret);
    }
    match read_or_create(data_dir, file, make) {
        Ok(secret) => Some(secret.into()),
        Err(error) => {
            let path = data_dir.join(file);
            reader.problem(name, &format!("is not set and could not be kept in {}: {error}", path.display()));
            None
        }
    }
}

/// Of several processes that start together on an empty directory one makes the secret and all use it: the file appears
/// under its name whole or not at all.
fn read_or_create(data_dir: &Path, file: &str, make: fn() -> String) -> std::io::Result<String> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir)?;
    let path = data_dir.join(file);
    if !path.exists() {
        let draft = data_dir.join(format!(".{file}.{}", uuid::Uuid::new_v4().simple()));
        let mut created = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        created.write_all(make().as_bytes())?;
        created.sync_all()?;
        let linked = fs::hard_link(&draft, &path);
        fs::remove_file(&draft)?;
        if let Err(error) = linked
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(error);
        }
    }
    let secret = fs::read_to_string(&path)?.trim().to_owned();
    if secret.is_empty() {
        return Err(std::io::Error::new(ErrorKind::InvalidData, "the file is empty"));
    }
    Ok(secret)
}
