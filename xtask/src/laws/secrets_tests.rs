//! Planted secrets are found, and this repository holds none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;
use crate::project::Project;

/// Built of two parts, so that this file holds none itself.
fn planted() -> Vec<(SecretKind, String, String)> {
    let random = "9fK2xQ7vLm4Zt8Rb3Wc6Yp1Hs5Nd0Ge";
    let body = format!("{}_{}_{}_{}", "lis", "0".repeat(32), "1".repeat(32), random);
    let ours = format!("{body}_{}", &hex::encode(Sha256::digest(&body))[..6]);
    let line = |text: &str, secret: &str| text.replace('#', secret);
    vec![
        (SecretKind::PrivateKey, line("#", &[PEM_BEGINS, "EC ", PEM_OF_A_KEY].concat()), "PRIVATE KEY".to_owned()),
        (
            SecretKind::AwsKeyId,
            line("aws_access_key_id=#", &["AKIA", "Q3EXAMPLE7ABCDEF"].concat()),
            "Q3EXAMPLE7".to_owned(),
        ),
        (SecretKind::WebhookSecret, line("let s = \"#\";", &["whsec", "_", random].concat()), random.to_owned()),
        (SecretKind::Token, line("Authorization: Bearer #", &ours), random.to_owned()),
        (SecretKind::Token, line("token: #", &["ghp", "_", random].concat()), random.to_owned()),
        (
            SecretKind::PasswordInUrl,
            line("url = \"postgres://lock:#@db.example:5432/lock\"", random),
            random.to_owned(),
        ),
        (SecretKind::NamedValue, line("\"client_secret\": \"#\",", random), random.to_owned()),
        (
            SecretKind::NamedValue,
            line("export TTLOCK_PASSWORD_MD5=#", "5f4dcc3b5aa765d61d8327deb882cf99"),
            "5f4dcc3b5aa7".to_owned(),
        ),
        (SecretKind::NamedValue, line("const ROOT_KEY: &str = \"#\";", random), random.to_owned()),
        (SecretKind::NamedValue, line("client_secret = \"#\"", &uuid()), uuid()),
        (SecretKind::Token, line("-H 'authorization: bearer #'", random), random.to_owned()),
        // Not the first of its kind on the line.
        (
            SecretKind::NamedValue,
            line("\"secrets\": {\"password\": \"see the runbook\", \"api_key\": \"#\"}", random),
            random.to_owned(),
        ),
        (
            SecretKind::PasswordInUrl,
            line("from https://lock.example to postgres://lock:#@db.example:5432/lock", random),
            random.to_owned(),
        ),
        (
            SecretKind::PrivateKey,
            line("#", &[PEM_BEGINS, "CERTIFICATE-----, ", PEM_BEGINS, "EC ", PEM_OF_A_KEY].concat()),
            PEM_OF_A_KEY.to_owned(),
        ),
    ]
}

/// Built of two parts as well.
fn uuid() -> String {
    ["7d0c2f4e-91ab-4c", "63-8e5f-0a7b19d3c264"].concat()
}

#[test]
fn each_value_on_a_line_is_found() {
    let (first, second) = (uuid(), uuid().replace('7', "6"));
    let line = format!("{{\"client_secret\": \"{first}\", \"password\": \"{second}\"}}");
    assert_eq!(in_line(&line), [(SecretKind::NamedValue, &first[..]), (SecretKind::NamedValue, &second[..])]);
}

#[test]
fn r_lock_03_a_planted_secret_is_found_and_not_shown() {
    let root = std::env::temp_dir().join(format!("xtask-secrets-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(root.join("src")).unwrap();
    let git =
        |args: &[&str]| assert!(Command::new("git").args(args).current_dir(&root).output().unwrap().status.success());
    git(&["init", "-q"]);
    for (n, (_, line, _)) in planted().iter().enumerate() {
        std::fs::write(root.join(format!("src/{n}.rs")), format!("// nothing\n    {line}\n")).unwrap();
    }
    assert_eq!(
        judge(&found_in(&root, &tracked(&root).unwrap()).unwrap(), "").unwrap(),
        Vec::<String>::new(),
        "nothing is tracked"
    );
    git(&["add", "."]);
    let found = found_in(&root, &tracked(&root).unwrap()).unwrap();
    let said = judge(&found, "").unwrap();
    for (n, (kind, _, value)) in planted().into_iter().enumerate() {
        let path = PathBuf::from(format!("src/{n}.rs"));
        assert!(
            found.iter().any(|one| one.path == path && one.line == 2 && one.kind == kind),
            "{kind:?} in {n}: {found:?}"
        );
        assert!(said.iter().all(|line| !line.contains(&value)), "{said:?}");
    }
    // One that is allowed is not told, another value in the same file is.
    let one = &found[0];
    let list = format!("# why\n{} {} it is published\n", one.path.display(), one.fingerprint);
    assert_eq!(judge(&found, &list).unwrap().len(), said.len() - 1);
    assert!(judge(&[], &list).unwrap()[0].contains("take the line out"));
    assert!(judge(&[], "src/0.rs abc").is_err());
    std::fs::remove_dir_all(root).unwrap();
}

#[test]
fn ordinary_lines_are_let_pass() {
    for line in [
        "let client_secret = settings.client_secret.clone();",
        "password: SecretString,",
        "SELECT secret_sha256 FROM api_keys",
        "secrets: \"see docs/runbooks/vault.md\"",
        "url = \"postgres://lock:{password}@127.0.0.1/lock\"",
        "client_secret: \"sim-client-secret\"",
        "whsec_ and 24 to 64 bytes in base64",
        "api_key: \"00000000-0000-0000-0000-000000000001\"",
        "Authorization: Bearer $TOKEN, or a bearer of a-long-name-in-words-2026-11-23",
        "api_key = \"$LOCK_API_KEY_OF_THE_ENVIRONMENT_1234567890\"",
        "pub const VAULT_SECRET_KINDS: usize = 1234567890123456;",
    ] {
        assert_eq!(in_line(line), [], "{line}");
    }
}

#[test]
fn r_lock_03_the_repository_holds_no_secrets() {
    assert_eq!(scan_secrets(Project::find().unwrap().root()).unwrap(), Vec::<String>::new());
}
