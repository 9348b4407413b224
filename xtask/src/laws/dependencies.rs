//! The dependency law: domain ← workflows ← activities ← worker; the API never reaches the vendors; nothing reaches the tests.
//!
//! Read from `cargo metadata`, so that it holds whatever the manifests' comments say. A crate that the law doesn't know is a
//! violation, so that nobody adds one without deciding where it stands.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

use crate::project::Project;

/// How one crate depends on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyKind {
    /// Goes into the product (also build dependencies).
    Product,
    /// For its own tests only.
    Test,
}

/// A crate of the workspace with its direct dependencies, by package name.
#[derive(Debug, Clone)]
pub struct Crate {
    /// Package name.
    pub name: String,
    /// Direct dependencies.
    pub dependencies: Vec<(String, DependencyKind)>,
}

struct Law {
    name: &'static str,
    /// Crates of the workspace that it may depend on.
    ours: &'static [&'static str],
    others: Others,
}

enum Others {
    /// Any crate that the workspace pins.
    Any,
    /// These and no more.
    Only(&'static [&'static str]),
    /// Any but these.
    Not(&'static [&'static str]),
}

/// What does I/O, or brings time and randomness that a replay would not repeat.
const EFFECTS: &[&str] = &["sqlx", "reqwest", "axum", "async-nats", "tokio", "rand", "tonic", "hyper", "rusb"];

const LAWS: &[Law] = &[
    Law { name: "lock-domain", ours: &[], others: Others::Only(&["jiff", "serde", "thiserror", "uuid", "utoipa"]) },
    Law { name: "lock-workflows", ours: &["lock-domain"], others: Others::Not(EFFECTS) },
    Law { name: "lock-tlog", ours: &["lock-domain"], others: Others::Not(EFFECTS) },
    Law { name: "lock-kms", ours: &["lock-domain", "lock-store"], others: Others::Not(&["sqlx", "axum"]) },
    Law { name: "lock-telemetry", ours: &["lock-domain"], others: Others::Any },
    Law { name: "lock-wires", ours: &[], others: Others::Not(EFFECTS) },
    Law {
        name: "lock-vendors",
        ours: &["lock-domain", "lock-wires"],
        others: Others::Not(&["sqlx", "temporalio-sdk"]),
    },
    Law {
        name: "lock-contract",
        ours: &["lock-domain", "lock-vendors"],
        others: Others::Not(&["sqlx", "temporalio-sdk"]),
    },
    Law { name: "lock-store", ours: &["lock-domain", "lock-tlog"], others: Others::Not(&["reqwest", "axum"]) },
    Law { name: "lock-events", ours: &["lock-domain", "lock-store"], others: Others::Any },
    Law {
        name: "lock-activities",
        ours: &[
            "lock-domain",
            "lock-workflows",
            "lock-store",
            "lock-vendors",
            "lock-contract",
            "lock-kms",
            "lock-events",
            "lock-tlog",
            "lock-telemetry",
        ],
        others: Others::Not(&["axum"]),
    },
    Law {
        name: "lock-worker",
        ours: &[
            "lock-domain",
            "lock-workflows",
            "lock-activities",
            "lock-store",
            "lock-vendors",
            "lock-kms",
            "lock-events",
            "lock-tlog",
            "lock-telemetry",
        ],
        others: Others::Any,
    },
    Law {
        name: "lock-api",
        ours: &[
            "lock-domain",
            "lock-workflows",
            "lock-store",
            "lock-kms",
            "lock-events",
            "lock-tlog",
            "lock-telemetry",
        ],
        others: Others::Not(&["temporalio-sdk"]),
    },
    Law { name: "lock-encoder-agent", ours: &["lock-domain"], others: Others::Not(&["sqlx", "temporalio-sdk"]) },
    Law { name: "lock-sim", ours: &[], others: Others::Not(&["sqlx", "temporalio-sdk"]) },
    Law { name: "lock-tests", ours: &[], others: Others::Any },
    Law { name: "xtask", ours: &[], others: Others::Any },
    // What an adapter costs can't be seen from outside of the process that runs it.
    Law { name: "lock-bench", ours: &["lock-contract", "lock-domain", "lock-vendors"], others: Others::Any },
];

/// Dependencies for tests that would turn the order upside down if they were used for more: a crate's tests may use the
/// simulators, and the domain and the workflows are tested with nothing of ours above them.
const TEST_DEPENDENCIES: &[(&str, &[&str])] = &[("lock-domain", &[]), ("lock-workflows", &["lock-domain"])];

/// The crates of the workspace as cargo sees them.
///
/// # Errors
/// When `cargo metadata` fails.
pub fn workspace_crates(project: &Project) -> Result<Vec<Crate>> {
    let metadata = MetadataCommand::new()
        .manifest_path(project.root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .context("cargo metadata failed")?;
    Ok(crates_of(&metadata))
}

fn crates_of(metadata: &Metadata) -> Vec<Crate> {
    metadata
        .workspace_packages()
        .into_iter()
        .map(|package| Crate {
            name: package.name.to_string(),
            dependencies: package
                .dependencies
                .iter()
                .map(|dependency| {
                    let kind = match dependency.kind {
                        cargo_metadata::DependencyKind::Development => DependencyKind::Test,
                        _ => DependencyKind::Product,
                    };
                    (dependency.name.clone(), kind)
                })
                .collect(),
        })
        .collect()
}

/// What breaks the law, one sentence each.
#[must_use]
pub fn check_dependencies(crates: &[Crate]) -> Vec<String> {
    let ours = |name: &str| crates.iter().any(|candidate| candidate.name == name);
    let mut violations = Vec::new();
    for krate in crates {
        let Some(law) = LAWS.iter().find(|law| law.name == krate.name) else {
            violations
                .push(format!("{} isn't in the dependency law: add it to xtask/src/laws/dependencies.rs", krate.name));
            continue;
        };
        for (dependency, kind) in &krate.dependencies {
            let reason = match kind {
                DependencyKind::Product if ours(dependency) => forbidden_ours(law, dependency),
                DependencyKind::Product => forbidden_other(law, dependency),
                DependencyKind::Test if ours(dependency) => forbidden_in_tests(&krate.name, dependency),
                DependencyKind::Test => None,
            };
            if let Some(reason) = reason {
                violations.push(format!("{} → {dependency}: {reason}", krate.name));
            }
        }
    }
    violations
}

fn forbidden_ours(law: &Law, dependency: &str) -> Option<String> {
    (!law.ours.contains(&dependency)).then(|| match law.ours {
        [] => "it may depend on no crate of the workspace".to_owned(),
        allowed => format!("of the workspace it may depend on {} only", allowed.join(", ")),
    })
}

fn forbidden_other(law: &Law, dependency: &str) -> Option<String> {
    match law.others {
        Others::Any => None,
        Others::Only(allowed) => (!allowed.contains(&dependency))
            .then(|| format!("from outside it may use {} only, so that it stays pure", allowed.join(", "))),
        Others::Not(refused) => refused
            .contains(&dependency)
            .then(|| "that belongs to a crate further out; reach it through a port of this crate".to_owned()),
    }
}

fn forbidden_in_tests(name: &str, dependency: &str) -> Option<String> {
    let (_, allowed) = TEST_DEPENDENCIES.iter().find(|(limited, _)| *limited == name)?;
    (!allowed.contains(&dependency)).then(|| "not even for its tests: it is tested by itself".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn krate(name: &str, dependencies: &[(&str, DependencyKind)]) -> Crate {
        let dependencies = dependencies.iter().map(|(name, kind)| ((*name).to_owned(), *kind)).collect();
        Crate { name: name.to_owned(), dependencies }
    }

    #[test]
    fn the_workspace_keeps_the_law() {
        let crates = workspace_crates(&Project::find().unwrap()).unwrap();
        assert!(crates.len() >= 10);
        assert_eq!(check_dependencies(&crates), Vec::<String>::new());
    }

    /// Names that lock vendors, and those who speak for them, go by.
    const VENDORS: [&str; 10] =
        ["ttlock", "sciener", "salto", "visionline", "vostio", "vingcard", "abloy", "dormakaba", "onity", "seam"];
    /// Native code beneath the adapters: the compression, cryptography and system libraries of the HTTP client, and no vendor's.
    const NATIVE: &[&str] = &["ring_core_0_17_14_"];

    #[test]
    fn r_lock_13_no_vendors_sdk_and_no_native_library_is_beneath_the_adapters() {
        let project = Project::find().unwrap();
        let manifest = project.root().join("Cargo.toml");
        // Where the service runs; other targets' crates need not be there to be looked at.
        let options = ["--locked", "--filter-platform", "x86_64-unknown-linux-gnu"].map(str::to_owned);
        let metadata = MetadataCommand::new().manifest_path(manifest).other_options(options).exec().unwrap();
        let own: Vec<_> = metadata.workspace_members.iter().collect();
        let others = || metadata.packages.iter().filter(|package| !own.contains(&&package.id));
        assert!(others().count() > 100, "the whole tree is looked at");
        let sdks: Vec<_> =
            others().map(|package| package.name.to_string()).filter(|name| named_after_a_vendor(name)).collect();
        assert_eq!(sdks, Vec::<String>::new());

        let graph = metadata.resolve.as_ref().unwrap();
        let adapters = metadata.packages.iter().find(|package| package.name.as_str() == "lock-vendors").unwrap();
        let (mut below, mut next) = (std::collections::BTreeSet::new(), vec![&adapters.id]);
        while let Some(id) = next.pop() {
            if !below.insert(id) {
                continue;
            }
            let node = graph.nodes.iter().find(|node| node.id == *id).unwrap();
            let product = |dependency: &&cargo_metadata::NodeDep| {
                dependency.dep_kinds.iter().any(|kind| kind.kind == cargo_metadata::DependencyKind::Normal)
            };
            next.extend(node.deps.iter().filter(product).map(|dependency| &dependency.pkg));
        }
        let native: std::collections::BTreeSet<_> = metadata
            .packages
            .iter()
            .filter(|package| below.contains(&package.id))
            .filter_map(|package| package.links.as_deref())
            .collect();
        assert_eq!(native, NATIVE.iter().copied().collect(), "what links a library of its own");
    }

    fn named_after_a_vendor(name: &str) -> bool {
        let parts: Vec<&str> = name.split(['-', '_']).collect();
        VENDORS.iter().any(|vendor| parts.contains(vendor))
    }

    #[test]
    fn every_forbidden_arrow_is_named() {
        use DependencyKind::{Product, Test};
        let crates = [
            krate("lock-domain", &[("sqlx", Product), ("proptest", Test), ("lock-sim", Test), ("serde", Product)]),
            krate("lock-workflows", &[("lock-domain", Product), ("tokio", Product)]),
            krate("lock-vendors", &[("lock-sim", Test)]),
            krate("lock-api", &[("lock-vendors", Product), ("lock-domain", Product)]),
            krate("lock-worker", &[("lock-sim", Product)]),
            krate("lock-sim", &[]),
            krate("lock-new", &[]),
        ];
        let violations = check_dependencies(&crates);
        let arrows: Vec<&str> = violations.iter().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(
            arrows,
            [
                "lock-domain → sqlx",
                "lock-domain → lock-sim",
                "lock-workflows → tokio",
                "lock-api → lock-vendors",
                "lock-worker → lock-sim",
                "lock-new isn't in the dependency law",
            ]
        );
    }
}
