//! The secret scan: no tracked file holds what looks like a private key, a token, a password in a URL, or a random value under a telling
//! name.
//!
//! What is found and is no secret, such as a published test vector, stands in `secrets_allowed.txt` by the SHA-256 of its value, so that
//! another value in the same file is found all the same; a line there that nothing matches any more is a violation, too. A finding never
//! shows the value. Must not know git beyond the list of tracked files. Fails when that list or a file can't be read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

const ALLOWED: &str = include_str!("secrets_allowed.txt");
/// Larger files are data, not something that a person wrote.
const LARGEST: u64 = 2_000_000;
/// A random text of letters and digits has about 4 bits per character at these lengths; words have about 3.
const RANDOM_BITS: f64 = 3.4;
const SHORTEST: usize = 16;
// On two lines, so that this file is none.
const PEM_BEGINS: &str = "-----BEGIN ";
const PEM_OF_A_KEY: &str = "PRIVATE KEY-----";

/// What something looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecretKind {
    /// A PEM block.
    PrivateKey,
    /// The id of an AWS access key; its secret is not far.
    AwsKeyId,
    /// A secret of Standard Webhooks.
    WebhookSecret,
    /// A token whose issuer marks it: ours, GitHub's, Slack's, Google's, a JWT.
    Token,
    /// A URL with a password.
    PasswordInUrl,
    /// A random value under a name such as `client_secret`.
    NamedValue,
}

impl SecretKind {
    fn words(self) -> &'static str {
        match self {
            Self::PrivateKey => "a private key",
            Self::AwsKeyId => "an AWS access key",
            Self::WebhookSecret => "a webhook secret",
            Self::Token => "a token",
            Self::PasswordInUrl => "a password in a URL",
            Self::NamedValue => "a random value under a telling name",
        }
    }
}

/// Something that looks like a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FoundSecret {
    /// The file, from the root of the repository.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What it looks like.
    pub kind: SecretKind,
    /// The first 16 hexadecimal digits of the value's SHA-256.
    pub fingerprint: String,
}

impl std::fmt::Display for FoundSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, line, kind, fingerprint } = self;
        let path = path.display();
        write!(
            f,
            "{path}:{line} looks like {}: take it out and revoke it; if it is none, add `{path} {fingerprint} REASON` to secrets_allowed.txt",
            kind.words()
        )
    }
}

/// What the scan says: findings that are not allowed, and lines of the list that nothing needs.
///
/// # Errors
/// When git can't list the files, one can't be read, or the list of allowed values is malformed.
pub fn scan_secrets(root: &Path) -> Result<Vec<String>> {
    judge(&found_in(root, &tracked(root)?)?, ALLOWED)
}

fn tracked(root: &Path) -> Result<Vec<PathBuf>> {
    let output =
        Command::new("git").args(["ls-files", "-z"]).current_dir(root).output().context("git doesn't start")?;
    ensure!(output.status.success(), "git can't list the files of {}", root.display());
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    Ok(names.map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned())).collect())
}

fn found_in(root: &Path, files: &[PathBuf]) -> Result<Vec<FoundSecret>> {
    let mut found = Vec::new();
    for path in files {
        let full = root.join(path);
        // A file that is tracked and was deleted is gone; a link is what it points to.
        let Ok(about) = std::fs::metadata(&full) else { continue };
        if !about.is_file() || about.len() > LARGEST {
            continue;
        }
        let bytes = std::fs::read(&full).with_context(|| format!("cannot read {}", full.display()))?;
        if bytes.contains(&0) {
            continue;
        }
        let generated = path.file_name().is_some_and(|name| name == "Cargo.lock" || name == "requirements.txt");
        for (number, line) in String::from_utf8_lossy(&bytes).lines().enumerate().filter(|_| !generated) {
            for (kind, value) in in_line(line) {
                let fingerprint = hex::encode(Sha256::digest(value))[..16].to_owned();
                found.push(FoundSecret { path: path.clone(), line: number + 1, kind, fingerprint });
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn judge(found: &[FoundSecret], list: &str) -> Result<Vec<String>> {
    let mut allowed = BTreeSet::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut parts = line.splitn(3, ' ');
        let (Some(path), Some(fingerprint), Some(reason)) = (parts.next(), parts.next(), parts.next()) else {
            anyhow::bail!("secrets_allowed.txt: `{line}` is not `PATH FINGERPRINT REASON`");
        };
        ensure!(reason.len() > 5, "secrets_allowed.txt: say why `{line}` is no secret");
        allowed.insert((PathBuf::from(path), fingerprint.to_owned()));
    }
    let key = |one: &FoundSecret| (one.path.clone(), one.fingerprint.clone());
    let seen: BTreeSet<_> = found.iter().map(key).collect();
    let mut said: Vec<String> =
        found.iter().filter(|one| !allowed.contains(&key(one))).map(ToString::to_string).collect();
    let stale = allowed.difference(&seen);
    said.extend(stale.map(|(path, print)| {
        format!("secrets_allowed.txt: nothing in {} matches {print}: take the line out", path.display())
    }));
    Ok(said)
}

fn in_line(line: &str) -> Vec<(SecretKind, &str)> {
    let mut found = Vec::new();
    let blocks: Vec<usize> = line.match_indices(PEM_BEGINS).map(|(at, _)| at).collect();
    for (n, at) in blocks.iter().enumerate() {
        let block = &line[*at..blocks.get(n + 1).copied().unwrap_or(line.len())];
        if block.contains(PEM_OF_A_KEY) {
            found.push((SecretKind::PrivateKey, block));
        }
    }
    found.extend(marked(line));
    found.extend(passwords_in_urls(line).map(|value| (SecretKind::PasswordInUrl, value)));
    let rest = bearers(line).map(|value| (SecretKind::Token, value));
    let rest: Vec<_> =
        rest.chain(named_values(line).into_iter().map(|value| (SecretKind::NamedValue, value))).collect();
    for (kind, value) in rest {
        if !found.iter().any(|(_, known)| known.contains(value) || value.contains(known)) {
            found.push((kind, value));
        }
    }
    found
}

/// Tokens that say by their first letters what they are.
fn marked(line: &str) -> Vec<(SecretKind, &str)> {
    use SecretKind::{AwsKeyId, Token, WebhookSecret};
    type Fits = fn(&str) -> bool;
    const AWS: Fits = |rest| rest.len() == 16 && rest.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    const JWT: Fits = |rest| rest.len() > 60 && rest.matches('.').count() == 2;
    const LONG: Fits = |rest| rest.len() >= 24 && bits(rest) > 3.0;
    const MARKS: [(&str, SecretKind, Fits); 13] = [
        ("AKIA", AwsKeyId, AWS),
        ("ASIA", AwsKeyId, AWS),
        ("whsec_", WebhookSecret, LONG),
        ("whsk_", WebhookSecret, LONG),
        ("ghp_", Token, LONG),
        ("gho_", Token, LONG),
        ("ghs_", Token, LONG),
        ("github_pat_", Token, LONG),
        ("xoxb-", Token, LONG),
        ("AIza", Token, LONG),
        ("eyJ", Token, JWT),
        // Ours: see the text of API keys and of webhook paths in `lock-store`.
        ("lis_", Token, checked),
        ("lwh_", Token, checked),
    ];
    let part = |c: char| c.is_ascii_alphanumeric() || "_-+/=.".contains(c);
    let mut found = Vec::new();
    for (mark, kind, fits) in MARKS {
        for (at, _) in line.match_indices(mark) {
            let begins = !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
            let token = &line[at..at + line[at..].find(|c| !part(c)).unwrap_or(line.len() - at)];
            if begins && fits(&token[mark.len()..]) {
                found.push((kind, token));
            }
        }
    }
    found
}

/// `TENANT_ID_SECRET_CHECK`. The check covers the mark as well, so that it is put in front again.
fn checked(rest: &str) -> bool {
    let Some((body, check)) = rest.trim_end_matches(['.', '/']).rsplit_once('_') else { return false };
    let sums = |mark: &str| hex::encode(Sha256::digest(format!("{mark}{body}")))[..6] == *check;
    sums("lis_") || sums("lwh_")
}

/// What stands after `Bearer`, the scheme of an `Authorization` header, and looks random.
fn bearers(line: &str) -> impl Iterator<Item = &str> {
    let lower = line.to_ascii_lowercase();
    let ends: Vec<usize> = lower.match_indices("bearer ").map(|(at, word)| at + word.len()).collect();
    ends.into_iter().filter_map(|at| {
        let rest = &line[at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=_-.~".contains(c))).unwrap_or(rest.len());
        Some(rest[..end].trim_end_matches('.')).filter(|value| looks_random(value))
    })
}

/// Each `scheme://user:password@`, unless the password is a placeholder.
fn passwords_in_urls(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("://").filter_map(|(at, scheme)| password_in_url(&line[at + scheme.len()..]))
}

fn password_in_url(rest: &str) -> Option<&str> {
    let authority = &rest[..rest.find(|c: char| c.is_whitespace() || "/\"'`<>".contains(c)).unwrap_or(rest.len())];
    let (user_info, _) = authority.rsplit_once('@')?;
    let (_, password) = user_info.split_once(':')?;
    let placeholder = password.len() < 8 || password.contains(['{', '$', '*', '…', '<']) || bits(password) < 3.0;
    (!placeholder).then_some(password)
}

/// Each `NAME = "VALUE"`, `"NAME": "VALUE"` or `NAME=VALUE`, where the name tells of a secret and the value looks random.
fn named_values(line: &str) -> Vec<&str> {
    // As in `to_ascii_lowercase`, places in the text stay what they are.
    let lower = line.to_ascii_lowercase();
    const NAMES: [&str; 10] = [
        "secret",
        "password",
        "passwd",
        "pwd_md5",
        "api_key",
        "apikey",
        "access_token",
        "refresh_token",
        "private_key",
        "root_key",
    ];
    let ends = NAMES.iter().flat_map(|name| lower.match_indices(name).map(|(at, name)| at + name.len()));
    let mut ends: Vec<usize> = ends.collect();
    ends.sort_unstable();
    let mut values: Vec<&str> = ends.into_iter().filter_map(|end| named_value(&line[end..])).collect();
    values.dedup();
    values
}

/// The value that follows a name, of which `rest` may hold the end.
fn named_value(rest: &str) -> Option<&str> {
    let rest = rest.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let rest = rest.trim_start_matches(['"', '\'', ')', ' ', ',']);
    let rest = rest.strip_prefix(['=', ':'])?;
    // A constant has its type first.
    let typed = rest.split_once('=').filter(|(kind, _)| kind.contains("str") && !kind.contains('"'));
    let rest = typed.map_or(rest, |(_, value)| value);
    let rest = rest.trim_start_matches(['=', '>', ' ', '&', 'b', '(']).trim_start_matches(['"', '\'']);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+/=_-".contains(c))).unwrap_or(rest.len());
    let value = &rest[..end];
    // An expression, a path or a type goes on with these.
    let goes_on = rest[end..].starts_with(['(', '.', ':', '[', '<', '!', '&', '{', '?', '$']);
    (!goes_on && looks_random(value)).then_some(value)
}

fn looks_random(value: &str) -> bool {
    if is_uuid(value) {
        return bits(value) >= 3.0;
    }
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    let letters = value.bytes().filter(u8::is_ascii_alphabetic).count();
    // Words joined by hyphens or underscores are names of things, and so is a text with a digit or two.
    let words = value.split(['-', '_', '/']).all(|word| word.len() < SHORTEST);
    value.len() >= SHORTEST && !words && digits >= 3 && letters >= 3 && bits(value) >= RANDOM_BITS
}

/// Some issuers' secrets have this form. Ids have it as well, but not under such a name.
fn is_uuid(value: &str) -> bool {
    let hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = value.split('-').collect();
    parts.len() == 5 && parts.iter().zip([8, 4, 4, 4, 12]).all(|(part, length)| hex(part, length))
}

/// Shannon's entropy per character.
fn bits(text: &str) -> f64 {
    let mut counts = [0_u32; 256];
    text.bytes().for_each(|byte| counts[usize::from(byte)] += 1);
    let length = text.len().max(1) as f64;
    let share = |count: &u32| f64::from(*count) / length;
    counts.iter().filter(|count| **count > 0).map(|count| -share(count) * share(count).log2()).sum()
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
