//! The lake: object stores, table folders, the Delta log, and the scan over listed files.
