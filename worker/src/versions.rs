//! Which build this worker is, and which build of the deployment gets the work.
//!
//! With a deployment's name the server routes by version: a stay's next task goes to the deployment's *current* build, whichever build
//! began the stay. Without, any worker takes any task. Either way each history says which build wrote it. It must not know workflows.

use anyhow::Context as _;
use std::time::Duration;
use temporalio_client::{Connection, tonic};
use temporalio_common::{
    protos::temporal::api::workflowservice::v1::{
        DescribeWorkerDeploymentRequest, SetWorkerDeploymentCurrentVersionRequest,
    },
    worker::{VersioningBehavior, WorkerDeploymentOptions, WorkerDeploymentVersion, build_id_from_current_exe},
};

/// How long a build that shall become current may take to be known to the server by its pollers.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);
const AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Crate version and checksum of the executable: another build has another id, also where nobody raised the version.
pub(crate) fn own_build_id() -> String {
    format!("{}-{}", env!("CARGO_PKG_VERSION"), build_id_from_current_exe())
}

/// What a worker tells the server of itself.
pub(crate) fn options(deployment: Option<&str>, build_id: &str) -> WorkerDeploymentOptions {
    let Some(deployment) = deployment else { return WorkerDeploymentOptions::from_build_id(build_id.to_owned()) };
    let version = WorkerDeploymentVersion::builder().deployment_name(deployment).build_id(build_id).build();
    WorkerDeploymentOptions::new(version)
        .use_worker_versioning(true)
        // A stay lives for weeks and replays under every later build; pinned to its own it would keep that build alive as long.
        .default_versioning_behavior(VersioningBehavior::AutoUpgrade)
        .build()
}

/// Makes a build the deployment's current one. Waits until the server has seen its pollers; an error after a minute, with what the server
/// said last. A build that is current already stays so.
pub async fn set_current(
    connection: &Connection,
    namespace: &str,
    deployment: &str,
    build_id: &str,
) -> anyhow::Result<()> {
    let request = SetWorkerDeploymentCurrentVersionRequest {
        namespace: namespace.to_owned(),
        deployment_name: deployment.to_owned(),
        build_id: build_id.to_owned(),
        identity: "lock-worker".to_owned(),
        ..Default::default()
    };
    let end = tokio::time::Instant::now() + KNOWN_WITHIN;
    loop {
        let mut service = connection.workflow_service();
        let refused = match service.set_worker_deployment_current_version(tonic::Request::new(request.clone())).await {
            Ok(_) => break,
            Err(refused) => refused,
        };
        if tokio::time::Instant::now() >= end {
            return Err(refused).with_context(|| format!("{deployment} can't go over to build {build_id}"));
        }
        tracing::debug!(%refused, deployment, build_id, "not current yet");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    tracing::info!(deployment, build_id, "current");
    Ok(())
}

/// The deployment's current build. `None` if it has none.
pub async fn current(connection: &Connection, namespace: &str, deployment: &str) -> anyhow::Result<Option<String>> {
    let request =
        DescribeWorkerDeploymentRequest { namespace: namespace.to_owned(), deployment_name: deployment.to_owned() };
    let mut service = connection.workflow_service();
    let told = service.describe_worker_deployment(tonic::Request::new(request)).await?.into_inner();
    let routing = told.worker_deployment_info.and_then(|info| info.routing_config);
    Ok(routing.and_then(|routing| routing.current_deployment_version).map(|version| version.build_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_names_its_build_and_only_a_deployments_is_versioned() {
        let plain = options(None, "b1");
        assert_eq!((plain.version.build_id.as_str(), plain.use_worker_versioning), ("b1", false));
        assert_eq!(plain.default_versioning_behavior, None);
        let versioned = options(Some("lock"), "b1");
        assert_eq!((versioned.version.deployment_name.as_str(), versioned.use_worker_versioning), ("lock", true));
        assert_eq!(versioned.default_versioning_behavior, Some(VersioningBehavior::AutoUpgrade));
        assert!(own_build_id().starts_with(env!("CARGO_PKG_VERSION")));
    }
}
