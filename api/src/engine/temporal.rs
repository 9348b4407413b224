//! The engine port over Temporal: update-with-start for a new stay, a plain update for an existing one.
//!
//! The update's id is the command's, so that a command which arrives twice is one update. An update error is ambiguous (a run that
//! continues as new refuses updates that it has applied): it is sent again with the same id until the deadline, and then left to the
//! dispatcher. The connection is made on first use and kept, so that the process starts while Temporal is down.

use super::{EngineError, StayEngine, Submission, Target};
use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use lock_domain::{
    clock::ClockOffset,
    command::Command,
    ids::{PropertyId, StayId, TenantId, maintenance_workflow_id},
    problem::Code,
    stay::{Stay, StayPhase, StayRef},
};
use lock_workflows::{
    CommandAnswer, Drain, DrainStart, Inventory, InventoryStart, KeyLifecycle, KeyRotation, LookNow, Maintenance,
    MaintenanceStart, QUEUE_STAYS, RotationStart, StayStart, search, vendor_queue,
};
use std::time::Duration;
use temporalio_client::{
    Client, ClientOptions, Connection, ConnectionOptions, RpcOptions, Url, WorkflowDescribeOptions,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowSignalOptions, WorkflowStartOptions,
    WorkflowStartUpdateOptions, WorkflowUpdateHandle, WorkflowUpdateWithStartOptions,
    errors::{WorkflowInteractionError, WorkflowStartError, WorkflowUpdateError, WorkflowUpdateWithStartError},
};
use temporalio_common::{
    data_converters::{DataConverter, SerializationContextData, WorkflowSerializationContext},
    protos::temporal::api::failure::v1::Failure,
};
use tokio::{sync::OnceCell, time::Instant};

/// For so long the workflow is given to take a command; afterwards the dispatcher delivers it.
const ACCEPT: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(100);
const AT_ONCE: usize = 32;

/// Where Temporal is, and how its payloads are encrypted.
pub struct TemporalSettings {
    /// `host:port`, or a URL.
    pub address: String,
    /// The namespace.
    pub namespace: String,
    /// Encrypts what goes into histories.
    pub converter: DataConverter,
}

/// The engine.
pub struct Temporal {
    settings: TemporalSettings,
    client: OnceCell<Client>,
}

type Handle = WorkflowUpdateHandle<Client, CommandAnswer>;

/// How one try at delivering ended.
enum Try {
    Delivered(Box<Handle>),
    Refused(Code),
    /// Worth another try with the same id.
    Again(String),
    Failed(EngineError),
}

impl Temporal {
    /// An engine that connects when it is first needed.
    pub fn new(settings: TemporalSettings) -> Self {
        Self { settings, client: OnceCell::new() }
    }

    async fn client(&self) -> Result<&Client, EngineError> {
        let failed = |e: String| EngineError::Failed(e);
        self.client
            .get_or_try_init(|| async {
                let address = &self.settings.address;
                let url = if address.contains("://") { address.clone() } else { format!("http://{address}") };
                let target: Url = url.parse().map_err(|_| failed(format!("{address} is no address")))?;
                let options = ConnectionOptions::new(target)
                    .identity("lock-api")
                    .connect_timeout(Duration::from_secs(3))
                    .dns_load_balancing(None)
                    .build();
                let connection = Connection::connect(options).await.map_err(|e| failed(e.to_string()))?;
                let options = ClientOptions::new(self.settings.namespace.clone())
                    .data_converter(self.settings.converter.clone())
                    .build();
                Client::new(connection, options).map_err(|e| failed(e.to_string()))
            })
            .await
    }

    async fn deliver(&self, client: &Client, target: &Target, command: &Command) -> Try {
        let id = command.id.to_string();
        match target {
            Target::Begin(start) => {
                let options = WorkflowUpdateWithStartOptions::new(
                    vendor_queue(&start.vendor),
                    start.id.workflow_id(),
                    WorkflowIdConflictPolicy::UseExisting,
                )
                // A stay that is over stays over: a command that is delivered a second time must not begin it again.
                .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
                .search_attributes(attributes(start))
                .update_id(id)
                .build();
                let update = KeyLifecycle::command;
                let sent = client
                    .start_update_with_start_workflow(
                        KeyLifecycle::run,
                        StayStart::clone(start),
                        update,
                        command.clone(),
                        options,
                    )
                    .await;
                match sent {
                    Ok(handle) => Try::Delivered(Box::new(handle)),
                    Err(WorkflowUpdateWithStartError::Start(WorkflowStartError::AlreadyStarted { .. })) => {
                        Try::Refused(Code::StayEnded)
                    }
                    Err(WorkflowUpdateWithStartError::Update(error)) => self.judge(error).await,
                    Err(other) => Try::Again(other.to_string()),
                }
            }
            Target::Existing(stay) => {
                let handle = client.get_workflow_handle::<KeyLifecycle>(stay.workflow_id());
                let options = WorkflowStartUpdateOptions::builder().update_id(id).build();
                match handle.start_update(KeyLifecycle::command, command.clone(), options).await {
                    Ok(handle) => Try::Delivered(Box::new(handle)),
                    Err(error) => self.judge(error).await,
                }
            }
        }
    }

    async fn judge(&self, error: WorkflowUpdateError) -> Try {
        match error {
            WorkflowUpdateError::Failed(failure) => match self.code(*failure).await {
                Some(Code::Unavailable) => Try::Again("the run goes on as another one".to_owned()),
                Some(code) => Try::Refused(code),
                None => Try::Failed(EngineError::Failed("the update was refused without a code".to_owned())),
            },
            // Not there yet, because its New waits for the dispatcher, or there no more: only the record can tell.
            WorkflowUpdateError::NotFound(_) => Try::Failed(EngineError::NotRunning),
            other => Try::Again(other.to_string()),
        }
    }

    /// The problem code that a validator refused with. Failures travel encrypted like everything else.
    async fn code(&self, failure: Failure) -> Option<Code> {
        let Some(attributes) = failure.encoded_attributes else {
            return Code::from_text(&failure.message);
        };
        let context = SerializationContextData::Workflow(WorkflowSerializationContext::new());
        let decoded = self.settings.converter.codec().decode(&context, vec![attributes]).await.ok()?;
        let common: serde_json::Value = serde_json::from_slice(&decoded.first()?.data).ok()?;
        Code::from_text(common.get("message")?.as_str()?)
    }

    /// Waits for a verdict until the deadline.
    async fn verdict(&self, handle: &Handle, until: Instant) -> Result<Option<Submission>, EngineError> {
        match tokio::time::timeout_at(until, handle.get_result(RpcOptions::default())).await {
            Err(_) => Ok(Some(Submission::Accepted)),
            Ok(Ok(answer)) => Ok(answer.verdict.map(|_| Submission::Settled)),
            Ok(Err(error)) => match self.judge(error).await {
                Try::Refused(code) => Ok(Some(Submission::Refused(code))),
                Try::Delivered(_) | Try::Again(_) => Ok(None),
                Try::Failed(error) => Err(error),
            },
        }
    }
}

#[async_trait]
impl StayEngine for Temporal {
    async fn submit(&self, target: Target, command: Command, wait: Duration) -> Result<Submission, EngineError> {
        let begun = Instant::now();
        let (accept_by, settle_by) = (begun + ACCEPT, begun + wait);
        let mut delivered = false;
        loop {
            let attempt = async { Ok(Box::pin(self.deliver(self.client().await?, &target, &command)).await) };
            let tried = match tokio::time::timeout_at(accept_by.max(settle_by), attempt).await {
                Err(_) if delivered => return Ok(Submission::Accepted),
                Err(_) => return Err(EngineError::Timeout),
                Ok(tried) => tried?,
            };
            let why = match tried {
                Try::Refused(code) => return Ok(Submission::Refused(code)),
                Try::Failed(error) => return Err(error),
                Try::Again(why) => why,
                Try::Delivered(handle) => {
                    delivered = true;
                    match Box::pin(self.verdict(&handle, settle_by.max(Instant::now()))).await? {
                        Some(submission) => return Ok(submission),
                        None => "the run went on as another one".to_owned(),
                    }
                }
            };
            let limit = if delivered { settle_by } else { accept_by };
            if Instant::now() + AGAIN > limit {
                return if delivered { Ok(Submission::Accepted) } else { Err(EngineError::Failed(why)) };
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn move_clock(&self, stays: &[StayRef], offset: ClockOffset) -> Result<Vec<StayId>, EngineError> {
        if stays.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.client().await?;
        let signals: Vec<_> = stays.iter().cloned().map(|stay| signal_clock(client.clone(), stay, offset)).collect();
        let told: Vec<Option<StayId>> = futures::stream::iter(signals).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(told.into_iter().flatten().collect())
    }

    async fn look_after_devices(&self, tenant: TenantId, property: PropertyId) -> Result<(), EngineError> {
        let ask = async {
            let start = MaintenanceStart { tenant, property, carried: None };
            let options = WorkflowStartOptions::new(QUEUE_STAYS, maintenance_workflow_id(tenant, property))
                .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
                .search_attributes(search::of_property(tenant, property))
                .build();
            let (client, now) = (self.client().await?, LookNow { tenant });
            let sent = client.signal_with_start_workflow(Maintenance::run, start, Maintenance::look_now, now, options);
            sent.await.map(drop).map_err(|error| EngineError::Failed(error.to_string()))
        };
        tokio::time::timeout(ACCEPT, ask).await.map_err(|_| EngineError::Timeout)?
    }

    async fn begin_drain(&self, start: DrainStart) -> Result<(), EngineError> {
        let ask = async {
            let options = WorkflowStartOptions::new(QUEUE_STAYS, start.workflow_id())
                .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
                .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
                .search_attributes(search::of_property(start.tenant, start.property))
                .build();
            match self.client().await?.start_workflow(Drain::run, start, options).await {
                Ok(_) | Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(()),
                Err(other) => Err(EngineError::Failed(other.to_string())),
            }
        };
        tokio::time::timeout(ACCEPT, ask).await.map_err(|_| EngineError::Timeout)?
    }

    async fn begin_rotation(&self, start: RotationStart) -> Result<(), EngineError> {
        let ask = async {
            // One that was terminated goes on; one that is over stays over.
            let options = WorkflowStartOptions::new(QUEUE_STAYS, start.id.workflow_id())
                .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
                .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
                .build();
            match self.client().await?.start_workflow(KeyRotation::run, start, options).await {
                Ok(_) | Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(()),
                Err(other) => Err(EngineError::Failed(other.to_string())),
            }
        };
        tokio::time::timeout(ACCEPT, ask).await.map_err(|_| EngineError::Timeout)?
    }

    async fn begin_inventory(&self, start: InventoryStart) -> Result<(), EngineError> {
        let ask = async {
            // One that was terminated goes on; one that is over stays over.
            let options = WorkflowStartOptions::new(QUEUE_STAYS, start.id.workflow_id())
                .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
                .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
                .search_attributes(search::of_property(start.id.tenant, start.id.property))
                .build();
            match self.client().await?.start_workflow(Inventory::run, start, options).await {
                Ok(_) | Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(()),
                Err(other) => Err(EngineError::Failed(other.to_string())),
            }
        };
        tokio::time::timeout(ACCEPT, ask).await.map_err(|_| EngineError::Timeout)?
    }

    async fn ready(&self) -> Result<(), EngineError> {
        let ask = async {
            let handle = self.client().await?.get_workflow_handle::<KeyLifecycle>("readiness");
            match handle.describe(WorkflowDescribeOptions::default()).await {
                Ok(_) | Err(WorkflowInteractionError::NotFound(_)) => Ok(()),
                Err(other) => Err(EngineError::Failed(other.to_string())),
            }
        };
        tokio::time::timeout(Duration::from_secs(2), ask).await.map_err(|_| EngineError::Timeout)?
    }
}

async fn signal_clock(client: Client, stay: StayRef, offset: ClockOffset) -> Result<Option<StayId>, EngineError> {
    let handle = client.get_workflow_handle::<KeyLifecycle>(stay.workflow_id());
    let once = format!("clock-{}-{}", stay.stay, offset.as_millis());
    let options = WorkflowSignalOptions::builder().request_id(once).build();
    match handle.signal(KeyLifecycle::clock, offset, options).await {
        Ok(()) => Ok(Some(stay.stay)),
        Err(WorkflowInteractionError::NotFound(_)) => Ok(None),
        Err(other) => Err(EngineError::Failed(other.to_string())),
    }
}

fn attributes(start: &StayStart) -> temporalio_common::search_attributes::SearchAttributes {
    let stay = Stay::begin(start.id.clone(), start.policy.clone(), &start.command);
    let now = start.command.clock.now(lock_domain::Timestamp::now());
    let (room, phase) = match stay {
        Ok(stay) => (stay.room, stay.phase(now)),
        Err(_) => (lock_domain::ids::RoomId::from_uuid(uuid::Uuid::nil()), StayPhase::Ended),
    };
    search::initial(start.id.tenant, start.id.property, room, &start.vendor, phase)
}
