//! Builds again when a migration is added: they are embedded in the binary, which cargo does not see by itself.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
