//! `millpond user`: people, made and changed by the operator.

use clap::{Args, Subcommand};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::Result;
use super::open::{Opened, entry};
use super::output::Output;
use crate::audit::{Action, Target};
use crate::auth::passwords::Passwords;
use crate::ids::UserId;
use crate::state::Invalidation;
use crate::store::Tx;
use crate::store::users::{NewUser, Role, User, UserChanges};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create a person
    Create(Create),
    /// List everybody
    List(Output),
    /// Change a person
    Set(Set),
    /// Set a person's password, read from standard input; it ends all their sessions
    SetPassword {
        /// Their name
        name: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// The name to sign in with, 3 to 50 characters
    name: String,
    #[command(flatten)]
    password: PasswordSource,
    /// May manage everything
    #[arg(long)]
    admin: bool,
    #[arg(long, default_value_t = 0, value_name = "N")]
    trust_level: i32,
    /// The identity at a sign-in provider: a Linux.do id, or github:ID
    #[arg(long, value_name = "ID")]
    oauth_id: Option<String>,
    /// May not sign in
    #[arg(long)]
    disabled: bool,
    /// May sign in and read, but not call models
    #[arg(long)]
    silenced: bool,
    /// Has joined the beta programme
    #[arg(long)]
    beta: bool,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct PasswordSource {
    /// Read the password from standard input, one line of 6 to 100 characters
    #[arg(long)]
    password_stdin: bool,
    /// No password: sign-in by a provider only
    #[arg(long)]
    no_password: bool,
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// Their name
    name: String,
    #[arg(long, value_name = "true|false")]
    active: Option<bool>,
    #[arg(long, value_name = "true|false")]
    silenced: Option<bool>,
    #[arg(long, value_name = "true|false")]
    beta: Option<bool>,
    #[arg(long, value_name = "true|false")]
    admin: Option<bool>,
    #[arg(long, value_name = "N")]
    trust_level: Option<i32>,
    #[arg(long, value_name = "ID")]
    oauth_id: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Runs a command on the configured database.
pub(super) async fn run(command: Command) -> Result {
    let opened = Opened::new().await?;
    match command {
        Command::Create(options) => create(&opened, options).await?,
        Command::List(output) => list(&opened, output).await?,
        Command::Set(options) => set(&opened, options).await?,
        Command::SetPassword { name, output } => set_password(&opened, &name, output).await?,
    }
    opened.close().await
}

fn describe(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "role": user.role().as_str(),
        "trust_level": user.trust_level,
        "is_active": user.is_active,
        "is_silenced": user.is_silenced,
        "beta": user.beta,
        "oauth_id": user.oauth_id,
        "has_password": user.password_hash.is_some(),
        "created_at": user.created_at,
        "last_login_at": user.last_login_at,
    })
}

async fn read_password() -> Result<SecretString> {
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = line.await??;
    let password = line.trim_end_matches(['\r', '\n']);
    if !(6..=100).contains(&password.chars().count()) {
        return Err("a password has 6 to 100 characters".into());
    }
    Ok(SecretString::from(password))
}

async fn hash(password: &SecretString) -> Result<String> {
    Passwords::default().hash(password).await.map_err(|_| "the password could not be hashed".into())
}

async fn create(opened: &Opened, options: Create) -> Result {
    let name = options.name.trim().to_owned();
    if !(3..=50).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err("a name has 3 to 50 printable characters".into());
    }
    let password_hash = match options.password.password_stdin {
        true => Some(hash(&read_password().await?).await?),
        false => None,
    };
    let user = NewUser {
        username: name.clone(),
        password_hash,
        oauth_id: options.oauth_id,
        avatar_url: None,
        trust_level: options.trust_level,
        is_active: !options.disabled,
        is_silenced: options.silenced,
        is_beta: options.beta,
        role: if options.admin { Role::Admin } else { Role::Member },
    };
    let mut tx = opened.store.begin().await?;
    let created = tx.create_user(&user, opened.clock.now()).await?;
    let id = created.ok_or_else(|| format!("there is already somebody called {name:?}"))?;
    let user = find(&mut tx, id).await?;
    opened.commit(tx, &entry(Action::UserCreated).on(Target::person(id)).after(&user)).await?;
    options.output.answer(&describe(&user), &format!("Created {} {name} (id {id}).", user.role().as_str()));
    Ok(())
}

async fn find(tx: &mut Tx, id: UserId) -> Result<User> {
    Ok(tx.find_user(id).await?.ok_or("they have just been deleted")?)
}

async fn list(opened: &Opened, output: Output) -> Result {
    const PAGE: i64 = 500;
    let mut after = UserId(0);
    let mut all = Vec::new();
    loop {
        let page = opened.store.list_users(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.id;
        for user in &page {
            if output.is_json() {
                all.push(describe(user));
            } else {
                let state = if user.is_active { "active" } else { "disabled" };
                Output::say(&format!(
                    "{:>6}  {:<7} {state:<9} {}",
                    user.id.0,
                    user.role().as_str(),
                    user.username
                ));
            }
        }
    }
    if output.is_json() {
        Output::say(&Value::Array(all).to_string());
    }
    Ok(())
}

async fn set(opened: &Opened, options: Set) -> Result {
    let user = opened.user(&options.name).await?;
    let changes = UserChanges {
        is_active: options.active,
        is_silenced: options.silenced,
        is_beta: options.beta,
        trust_level: options.trust_level,
        role: options.admin.map(|admin| if admin { Role::Admin } else { Role::Member }),
        oauth_id: options.oauth_id,
    };
    let mut tx = opened.store.begin().await?;
    let before = tx.hold_user(user.id).await?.ok_or("they have just been deleted")?;
    tx.update_user(user.id, &changes, opened.clock.now()).await?;
    let user = find(&mut tx, user.id).await?;
    let entry = entry(Action::UserChanged).on(Target::person(user.id));
    opened.commit(tx, &entry.changed(&before, &user)).await?;
    opened.announce(Invalidation::User(user.id)).await?;
    options.output.answer(&describe(&user), &format!("Changed {}.", user.username));
    Ok(())
}

async fn set_password(opened: &Opened, name: &str, output: Output) -> Result {
    let user = opened.user(name).await?;
    let hash = hash(&read_password().await?).await?;
    let mut tx = opened.store.begin().await?;
    tx.set_password(user.id, &hash, opened.clock.now()).await?;
    let user = find(&mut tx, user.id).await?;
    opened.commit(tx, &entry(Action::PasswordChanged).on(Target::person(user.id))).await?;
    opened.announce(Invalidation::User(user.id)).await?;
    output.answer(&describe(&user), &format!("{name} has a new password; all their sessions are ended."));
    Ok(())
}
