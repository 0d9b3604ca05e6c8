//! What is said, and how soon, when the store's PostgreSQL cannot be used.

use lakegate::error::ErrorKind;
use lakegate::store::Store;

use crate::support::postgres::PostgresServer;

#[tokio::test]
async fn a_store_that_is_not_there_is_named_soon_and_without_the_password() {
    // Nobody listens at the port of the first; the second takes a connection and says nothing.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (address, why, seconds) in
        [(closed, "cannot be reached", 0..2), (silent.local_addr().unwrap(), "does not answer", 4..8)]
    {
        let start = std::time::Instant::now();
        let error = Store::connect(&format!("postgres://me:hush@{address}/lakegate")).await.unwrap_err();
        assert!(seconds.contains(&start.elapsed().as_secs()), "{why}: {:?}", start.elapsed());
        assert_eq!(error.kind(), ErrorKind::Unavailable);
        assert!(error.detail().starts_with(&format!("the policy store at `{address}` {why}")), "{error}");
        assert!(!format!("{error:?}").contains("hush"), "{error:?}");
    }
}

#[tokio::test]
async fn a_store_that_lets_nobody_in_says_so() {
    let url = PostgresServer::shared().await.database().await;
    let (server, _) = url.rsplit_once('/').unwrap();
    let error = Store::connect(&format!("{server}/nothing")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.detail().contains("has no such database"), "{error}");
    let error = Store::connect(&url.replace("postgres@", "nobody:hush@")).await.unwrap_err();
    assert!(error.detail().contains("does not let this user in"), "{error}");
}
