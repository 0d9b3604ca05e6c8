//! The audit sink: no record is lost, whatever the store does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use lakegate::audit::event::AuditEvent;
use lakegate::audit::sink::{AuditSink, CAPACITY};
use lakegate::error::{Error, Result};
use tokio::time::timeout;
use uuid::Uuid;

/// A store that can be away, and one that refuses a certain action.
#[derive(Default)]
struct FakeStore {
    kept: Mutex<Vec<AuditEvent>>,
    largest: AtomicUsize,
    away: AtomicBool,
}

impl FakeStore {
    fn write(&self, events: Vec<AuditEvent>) -> Result<()> {
        if self.away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("away", "away"));
        }
        if events.iter().any(|event| event.action == "refused") {
            return Err(Error::internal("refused"));
        }
        self.largest.fetch_max(events.len(), Ordering::SeqCst);
        self.kept.lock().unwrap().extend(events);
        Ok(())
    }

    fn sink(self: &Arc<Self>) -> AuditSink {
        let store = Arc::clone(self);
        AuditSink::new(move |events| {
            let store = Arc::clone(&store);
            Box::pin(async move { store.write(events) })
        })
    }

    fn kept(&self) -> Vec<Uuid> {
        self.kept.lock().unwrap().iter().map(|event| event.id).collect()
    }
}

fn event() -> AuditEvent {
    AuditEvent::new(Uuid::now_v7(), "ana", "query")
}

#[tokio::test]
async fn flush_waits_for_everything_handed_in_before() {
    let store = Arc::new(FakeStore::default());
    let sink = store.sink();
    let events: Vec<AuditEvent> = (0..1000).map(|_| event()).collect();
    for (index, event) in events.iter().enumerate() {
        if index % 2 == 0 {
            sink.record(event.clone()).await;
        } else {
            sink.record_now_or_later(event.clone());
        }
    }
    sink.flush().await;
    assert_eq!(store.kept(), events.iter().map(|event| event.id).collect::<Vec<_>>());
    let largest = store.largest.load(Ordering::SeqCst);
    assert!((2..=256).contains(&largest), "{largest}");
}

#[tokio::test]
async fn waits_when_full_and_loses_nothing_while_the_store_is_away() {
    let store = Arc::new(FakeStore::default());
    store.away.store(true, Ordering::SeqCst);
    let sink = store.sink();
    for _ in 0..CAPACITY {
        sink.record(event()).await;
    }
    let moment = Duration::from_millis(100);
    let long = Duration::from_secs(30);
    let late = event();
    assert!(timeout(moment, sink.record(late.clone())).await.is_err(), "a full queue makes the caller wait");
    assert!(timeout(moment, sink.flush()).await.is_err());
    sink.record_now_or_later(event());

    store.away.store(false, Ordering::SeqCst);
    timeout(long, sink.flush()).await.unwrap();
    let kept = store.kept();
    assert_eq!(kept.len() as u64, CAPACITY + 2);
    assert!(kept.contains(&late.id), "the caller gave up waiting, its record did not");
    timeout(long, sink.record(event())).await.unwrap();
}

#[tokio::test]
async fn one_refused_record_does_not_keep_the_others_out() {
    let store = Arc::new(FakeStore::default());
    let sink = store.sink();
    sink.record(event()).await;
    sink.record(AuditEvent::new(Uuid::now_v7(), "ana", "refused")).await;
    sink.record(event()).await;
    sink.flush().await;
    assert_eq!(store.kept().len(), 2);
}

#[tokio::test]
async fn dropping_the_last_handle_writes_the_rest_and_ends_the_task() {
    let store = Arc::new(FakeStore::default());
    let sink = store.sink();
    let clone = sink.clone();
    drop(sink);
    for _ in 0..600 {
        clone.record_now_or_later(event());
    }
    drop(clone);
    // The task holds the store until it ends.
    while Arc::strong_count(&store) > 1 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.kept().len(), 600);
}
