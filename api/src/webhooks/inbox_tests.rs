#![allow(clippy::unwrap_used, clippy::panic)]
use super::*;
use std::sync::Mutex;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Refuses the keys in `poison`, and answers no more after so many calls.
struct Table {
    poison: &'static [&'static str],
    calls_left: Mutex<usize>,
    stored: Mutex<Vec<String>>,
    calls: Mutex<Vec<usize>>,
}

impl Record for Arc<Table> {
    async fn store(&self, _: TenantId, list: &[Delivery]) -> Result<Vec<Intake>, StoreError> {
        self.calls.lock().unwrap().push(list.len());
        {
            let mut left = self.calls_left.lock().unwrap();
            let Some(fewer) = left.checked_sub(1) else {
                let (sqlstate, message) = ("57P01".to_owned(), "terminating".to_owned());
                return Err(StoreError::Database { sqlstate, message, constraint: None });
            };
            *left = fewer;
        }
        if list.iter().any(|one| self.poison.contains(&one.key.as_str())) {
            let (sqlstate, message) = ("22P05".to_owned(), "untranslatable character".to_owned());
            return Err(StoreError::Database { sqlstate, message, constraint: None });
        }
        let mut stored = self.stored.lock().unwrap();
        let taken = list.iter().map(|one| {
            if stored.contains(&one.key) {
                return Intake::Duplicate;
            }
            stored.push(one.key.clone());
            Intake::Fresh
        });
        Ok(taken.collect())
    }
}

fn delivery(key: &str) -> Delivery {
    delivery_in(&Room::new(PROCESS), key)
}

fn delivery_in(room: &Room, key: &str) -> Delivery {
    Delivery {
        id: DeliveryId::from_uuid(Uuid::now_v7()),
        endpoint: WebhookEndpointId::from_uuid(Uuid::nil()),
        property: PropertyId::from_uuid(Uuid::nil()),
        key: key.to_owned(),
        digest: [0; 32],
        body_sealed: Vec::new(),
        meaning: Vec::new(),
        at: Timestamp::UNIX_EPOCH,
        share: room.take(key.len()).unwrap(),
    }
}

/// What became of each, what is stored, and how many were in each try.
async fn turn(
    poison: &'static [&'static str],
    calls: usize,
    keys: &[&str],
) -> (Vec<Result<Intake, Code>>, Vec<String>, Vec<usize>) {
    let table =
        Arc::new(Table { poison, calls_left: Mutex::new(calls), stored: Mutex::default(), calls: Mutex::default() });
    let work = Deliveries(table.clone());
    let answers = work.turn(&TenantId::from_uuid(Uuid::nil()), keys.iter().map(|key| delivery(key)).collect()).await;
    let answers = answers.into_iter().map(|answer| answer.map_err(|problem| problem.code)).collect();
    (answers, table.stored.lock().unwrap().clone(), table.calls.lock().unwrap().clone())
}

#[tokio::test]
async fn all_of_a_turn_are_one_transaction() {
    let (answers, stored, calls) = turn(&[], 9, &["a", "b", "a"]).await;
    assert_eq!(answers, [Ok(Intake::Fresh), Ok(Intake::Fresh), Ok(Intake::Duplicate)]);
    assert_eq!((stored.len(), calls), (2, vec![3]));
}

#[tokio::test]
async fn one_that_the_record_refuses_fails_alone() {
    let (answers, stored, calls) = turn(&["bad"], 9, &["a", "bad", "b"]).await;
    assert_eq!(answers, [Ok(Intake::Fresh), Err(Code::Internal), Ok(Intake::Fresh)]);
    assert_eq!((stored, calls), (vec!["a".to_owned(), "b".to_owned()], vec![3, 1, 1, 1]));
    let (answers, _, calls) = turn(&["bad"], 9, &["bad"]).await;
    assert_eq!((answers, calls), (vec![Err(Code::Internal)], vec![1]), "alone, it is not tried again");
}

#[tokio::test]
async fn a_record_that_does_not_answer_is_nobodys_success_and_is_not_asked_for_each() {
    let (answers, stored, calls) = turn(&[], 0, &["a", "b", "c"]).await;
    assert_eq!((answers, calls), (vec![Err(Code::Unavailable); 3], vec![3]));
    assert_eq!(stored, Vec::<String>::new());
    let (answers, stored, calls) = turn(&["bad"], 2, &["a", "bad", "b", "c"]).await;
    let gone = Err(Code::Unavailable);
    assert_eq!(answers, [Ok(Intake::Fresh), gone, gone, gone]);
    assert_eq!((stored, calls), (vec!["a".to_owned()], vec![4, 1, 1]));
}

#[test]
fn who_comes_too_many_is_told_when_to_come_again() {
    for refused in [Refused::Full, Refused::Lost] {
        let problem = refuse(refused);
        assert_eq!((problem.code, problem.retry_after_s), (Code::Unavailable, Some(2)));
    }
}

/// A record that answers when it is given leave.
struct Slow(Semaphore);

impl Record for Arc<Slow> {
    async fn store(&self, _: TenantId, list: &[Delivery]) -> Result<Vec<Intake>, StoreError> {
        self.0.acquire().await.unwrap().forget();
        Ok(vec![Intake::Fresh; list.len()])
    }
}

#[tokio::test]
async fn the_room_is_for_all_tenants_and_is_held_until_the_record_has_answered() {
    let (room, record) = (Room::new(Most { webhooks: 3, bytes: 1_000 }), Arc::new(Slow(Semaphore::new(0))));
    let inbox = Gather::new(Deliveries(record.clone()), DELIVERIES);
    for n in 0..3 {
        let (inbox, delivery) = (inbox.clone(), delivery_in(&room, "a"));
        let sender = tokio::spawn(async move { inbox.ask(TenantId::from_uuid(Uuid::from_u128(n)), delivery).await });
        tokio::task::yield_now().await;
        // What it handed in is still worked at.
        sender.abort();
    }
    assert!(room.take(1).is_none(), "each tenant has one, and the process is full");
    record.0.add_permits(3);
    inbox.finished().await;
    let shares: Vec<_> = (0..3).map_while(|_| room.take(1)).collect();
    assert_eq!(shares.len(), 3, "there is room again");
}
