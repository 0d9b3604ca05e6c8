//! The ADBC driver of the client library, loaded by the driver manager of Python.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::PathBuf;

use super::python;
use crate::wire_formats::laboratory;

/// The driver as cargo has built it beside this test, whose package depends on it for that.
fn driver() -> PathBuf {
    let name = format!("{DLL_PREFIX}lakegate_adbc{DLL_SUFFIX}");
    let driver = std::env::current_exe().unwrap().with_file_name(name);
    assert!(driver.is_file(), "no driver at {}", driver.display());
    driver
}

#[tokio::test(flavor = "multi_thread")]
async fn python_reads_everything_it_may() {
    let gateway = laboratory().await;
    let [all, some, none] = ["all", "some", "none"].map(|user| gateway.token(user));
    let driver = driver().display().to_string();
    let environment = [
        ("DRIVER", driver.as_str()),
        ("HTTP", gateway.url.as_str()),
        ("ALL", &all),
        ("SOME", &some),
        ("NONE", &none),
    ];
    let told = python("adbc.py", &environment).await;
    assert_eq!(told.lines().filter(|line| line.ends_with(" ok")).count(), 10, "{told}");
}
