//! Temporal as its operator sees it: what a stay's history holds, whether it sleeps, and the clock of one execution.
//!
//! Skipping time is young in the server (off by default, its API changed several times), so that nothing outside of this module may
//! know how it is done. A skipped clock belongs to one execution: the API, the activities and the simulated locks stay in the present.

use super::{Hotel, shared, until};
use lock_domain::ids::{maintenance_workflow_id, stay_workflow_id};
use lock_kms::HistoryCodec;
use lock_workflows::{KeyLifecycle, KeyRotation, RotationProgress};
use serde_json::{Value, json};
use std::time::Duration;
use temporalio_client::{
    Client, WorkflowDescribeOptions, WorkflowExecutionInfo, WorkflowFetchHistoryOptions, WorkflowHandle,
    WorkflowQueryOptions, tonic::Request,
};
use temporalio_common::protos::temporal::api::{
    common::v1::{TimeSkippingConfig, WorkflowExecution},
    enums::v1::{EventType, FastForwardPollingResult, WorkflowExecutionStatus},
    history::v1::{HistoryEvent, history_event::Attributes},
    workflow::v1::WorkflowExecutionOptions,
    workflowservice::v1::{
        DescribeWorkflowExecutionResponse, PollWorkflowExecutionTimeSkippingRequest,
        UpdateWorkflowExecutionOptionsRequest,
    },
};
use uuid::Uuid;

const NAMESPACE: &str = "default";
/// More than any test skips.
const SKIPS: i32 = 100_000;

/// One stay's workflow.
pub struct StayRun {
    client: Client,
    codec: HistoryCodec,
    pub workflow_id: String,
}

impl StayRun {
    pub async fn of(hotel: &Hotel, reservation: &str) -> Self {
        Self::named(hotel, stay_workflow_id(hotel.tenant, hotel.property, &reservation.parse().unwrap())).await
    }

    /// The workflow that looks after a hotel's devices.
    pub async fn of_devices(hotel: &Hotel) -> Self {
        Self::named(hotel, maintenance_workflow_id(hotel.tenant, hotel.property)).await
    }

    /// How far a rotation of keys is, by its own word.
    pub async fn ask_progress(&self) -> RotationProgress {
        let handle = self.client.get_workflow_handle::<KeyRotation>(self.workflow_id.clone());
        handle.query(KeyRotation::progress, (), WorkflowQueryOptions::default()).await.unwrap()
    }

    /// Any workflow of a hotel's tenant.
    pub async fn of_workflow(hotel: &Hotel, workflow_id: String) -> Self {
        Self::named(hotel, workflow_id).await
    }

    async fn named(hotel: &Hotel, workflow_id: String) -> Self {
        let keys = shared().keys(&hotel.store);
        let client = lock_worker::connect(shared().stack.temporal_address(), NAMESPACE, &keys, "tests").await.unwrap();
        Self { client, codec: HistoryCodec::new(keys), workflow_id }
    }

    pub fn handle(&self) -> WorkflowHandle<Client, KeyLifecycle> {
        self.client.get_workflow_handle(self.workflow_id.clone())
    }

    pub async fn describe(&self) -> DescribeWorkflowExecutionResponse {
        self.handle().describe(WorkflowDescribeOptions::default()).await.unwrap().raw_description
    }

    /// The events of the latest run.
    pub async fn events(&self) -> Vec<HistoryEvent> {
        self.handle().fetch_history(WorkflowFetchHistoryOptions::default()).into_events().await.unwrap()
    }

    /// Waits until the workflow is over, or has nothing but a timer to wait for; returns the events of the latest run.
    pub async fn at_rest(&self) -> Vec<HistoryEvent> {
        until("the workflow is at rest", Duration::from_secs(60), || async {
            let now = self.describe().await;
            let info = now.workflow_execution_info.clone().unwrap_or_default();
            let busy = now.pending_workflow_task.is_some() || !now.pending_activities.is_empty();
            let events = self.events().await;
            // Of one moment, both of them.
            let same = i64::try_from(events.len()) == Ok(info.history_length);
            let over = info.status() != WorkflowExecutionStatus::Running;
            if same && (over || !busy) { Ok(events) } else { Err((over, busy, info.history_length)) }
        })
        .await
    }

    /// Every run of the stay, oldest first, in clear, in the JSON form of the SDK.
    pub async fn histories(&self) -> Vec<Value> {
        let mut runs = Vec::new();
        let mut run = String::new();
        loop {
            let info = WorkflowExecutionInfo::builder().namespace(NAMESPACE).workflow_id(&self.workflow_id).run_id(run);
            let handle = info.build().bind_untyped(self.client.clone());
            let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
            let json = serde_json::from_slice(&history.to_json().await.unwrap()).unwrap();
            let json = self.in_clear(json).await;
            let started = &json["events"][0]["attributes"]["WorkflowExecutionStartedEventAttributes"];
            run = started["continued_execution_run_id"].as_str().expect("a first event").to_owned();
            runs.insert(0, json);
            if run.is_empty() {
                return runs;
            }
        }
    }

    async fn in_clear(&self, mut history: Value) -> Value {
        let mut sealed = Vec::new();
        payloads(&mut history, &mut sealed);
        let body = json!({ "payloads": sealed.iter().map(|payload| &**payload).collect::<Vec<_>>() });
        let opened = self.codec.decode_payloads_json(&|_| true, body.to_string().as_bytes()).await.unwrap();
        let mut opened: Value = serde_json::from_slice(&opened).unwrap();
        for (place, payload) in sealed.into_iter().zip(opened["payloads"].as_array_mut().unwrap()) {
            *place = payload.take();
        }
        history
    }

    /// Lets so much time pass for this execution alone, and returns when it has; also when it ended before.
    pub async fn skip(&self, by: Duration) {
        let execution = WorkflowExecution { workflow_id: self.workflow_id.clone(), run_id: String::new() };
        let id = Uuid::new_v4().to_string();
        let mut config = TimeSkippingConfig { enabled: true, max_session_skip_count: SKIPS, ..Default::default() };
        let forward = config.fast_forward_config.get_or_insert_default();
        forward.id.clone_from(&id);
        forward.duration = Some(by.try_into().unwrap());
        let options = WorkflowExecutionOptions { time_skipping_config: Some(config), ..Default::default() };
        let mut update = UpdateWorkflowExecutionOptionsRequest {
            namespace: NAMESPACE.to_owned(),
            workflow_execution: Some(execution.clone()),
            workflow_execution_options: Some(options),
            ..Default::default()
        };
        update.update_mask.get_or_insert_default().paths.push("time_skipping_config".to_owned());
        let mut service = self.client.connection().workflow_service();
        service.update_workflow_execution_options(Request::new(update)).await.unwrap();
        until("time is skipped", Duration::from_secs(120), || async {
            let poll = PollWorkflowExecutionTimeSkippingRequest {
                namespace: NAMESPACE.to_owned(),
                workflow_execution: Some(execution.clone()),
                fast_forward_id: id.clone(),
            };
            let mut service = self.client.connection().workflow_service();
            let told = service.poll_workflow_execution_time_skipping(Request::new(poll)).await;
            let told = match told {
                Ok(told) => told.into_inner(),
                Err(status) => return if self.over().await { Ok(()) } else { Err(status.to_string()) },
            };
            match told.fast_forward_polling_result() {
                FastForwardPollingResult::FastForwardCompleted => Ok(()),
                FastForwardPollingResult::FastForwardFailed if self.over().await => Ok(()),
                other => Err(format!("{other:?}: {}", told.failed_reason)),
            }
        })
        .await;
    }

    async fn over(&self) -> bool {
        self.describe().await.workflow_execution_info.unwrap_or_default().status() != WorkflowExecutionStatus::Running
    }
}

/// Whether an event is there only because a test skips time.
pub fn of_skipping(event: &HistoryEvent) -> bool {
    let updated = |attributes: &Attributes| match attributes {
        Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(updated) => updated.time_skipping_config.is_some(),
        _ => false,
    };
    event.event_type() == EventType::WorkflowExecutionTimeSkippingTransitioned
        || event.attributes.as_ref().is_some_and(updated)
}

/// Every payload of a history; payloads have protobuf's JSON form.
fn payloads<'a>(at: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    if at["metadata"]["encoding"].is_string() {
        found.push(at);
        return;
    }
    match at {
        Value::Object(fields) => fields.values_mut().for_each(|field| payloads(field, found)),
        Value::Array(items) => items.iter_mut().for_each(|item| payloads(item, found)),
        _ => {}
    }
}
