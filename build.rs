//! Where it can, the program carries the unwinder in itself: it then needs the C library and nothing else to run, and the
//! loader has one library less to find at every start.

use std::env;
use std::path::Path;
use std::process::Command;

/// GCC's unwinder as an archive; every GCC has it, and Clang finds GCC's.
const ARCHIVE: &str = "libgcc_eh.a";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let says = |name: &str, value: &str| env::var(name).is_ok_and(|is| is == value);
    let is_native = env::var("HOST").is_ok_and(|host| says("TARGET", &host));
    // A program that only uses the library links as it likes.
    let is_ours = option_env!("CARGO_PRIMARY_PACKAGE").is_some();
    if !(is_ours && is_native && says("CARGO_CFG_TARGET_OS", "linux") && says("CARGO_CFG_TARGET_ENV", "gnu")) {
        return;
    }
    let Ok(answer) = Command::new("cc").arg(format!("-print-file-name={ARCHIVE}")).output() else {
        return;
    };
    // A compiler that has none answers with the bare name.
    let path = String::from_utf8_lossy(&answer.stdout);
    let path = Path::new(path.trim());
    if let Some(folder) = path.parent().filter(|_| path.is_absolute() && path.is_file()) {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static:+verbatim,-bundle={ARCHIVE}");
    }
}
